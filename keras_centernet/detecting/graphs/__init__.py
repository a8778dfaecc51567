"""A model's functions as compiled graphs, whose weights become constants if they are called often."""
