"""What every command shares with its terminal: streams that may end or know few signs, and signals."""
