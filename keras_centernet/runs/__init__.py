"""A training run: its settings, its folder and its checkpoints, what happens after every epoch, and `train`."""
