"""What a run draws of its data and of what it finds in them."""
