"""CSV: tables with a line per object, with or without a line of names."""
