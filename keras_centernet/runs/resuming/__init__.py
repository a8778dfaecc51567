"""Resuming the run in a folder: with its settings, and with a notice of what has changed in its data."""
