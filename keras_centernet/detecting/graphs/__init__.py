"""A model's functions as compiled graphs, whose weights become constants where that pays."""
