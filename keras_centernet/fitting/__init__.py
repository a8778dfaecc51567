"""What a training step computes and what changes the weights."""
