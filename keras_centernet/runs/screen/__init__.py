"""What a run shows: a plan, the progress of its epochs, a table at the end; in a terminal of any width, or as lines."""
