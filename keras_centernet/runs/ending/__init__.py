"""What a run leaves at its end."""
