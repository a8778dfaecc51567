"""COCO: one JSON file of images, annotations and categories per split, and folders of images; see `reading.py`."""
