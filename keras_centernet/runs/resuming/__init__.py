"""Going on with a run that its folder holds: with its settings, and with what is different of its data."""
