"""From what a reader finds to a checked `Source`: classes, sizes, splits, and a line that sums up what was read."""
