"""A training run: its settings (`settings`), its folder, what happens at the end of every epoch, and `train`."""
