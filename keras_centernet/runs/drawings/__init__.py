"""Drawings of a run's data, and of what its model detects in them."""
