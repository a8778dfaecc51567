"""CSV: tables with one line per object, with or without a header line."""
