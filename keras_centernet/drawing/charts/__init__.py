"""Curves of trainings and of precision over recall, and what all charts share: colours, names, PNG files."""
