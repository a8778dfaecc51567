"""YOLO in all its forms: start at `reading`; `description` is what a data set states, `labels` reads a label file."""
