"""From an image, file, video or camera to `Detections`, and from those to files and other libraries."""
