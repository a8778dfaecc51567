"""What a detector gets right and wrong, in numbers, charts and images."""
