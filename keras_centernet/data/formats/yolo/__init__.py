"""YOLO in every form: `reading` is the door, `description` what a data set says of itself, `labels` one label file."""
