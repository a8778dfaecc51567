"""TFRecord files: their keys, finding, scanning, parsing, reading and writing."""
