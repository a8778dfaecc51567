"""From an image, file, film or camera to `Detections`, and from those to whatever else wants them."""
