"""A command and its terminal: streams that can end or encode few characters, layout, and signals."""
