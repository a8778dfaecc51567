"""Curves of trainings and of precision over recall, and what charts of all rooms share: colours, names, PNGs."""
