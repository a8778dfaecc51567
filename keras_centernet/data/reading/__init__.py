"""From what a reader finds to a checked `Source`: classes, sizes, splits, and one line that says what was read."""
