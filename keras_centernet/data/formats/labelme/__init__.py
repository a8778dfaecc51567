"""LabelMe: one JSON file of shapes per image; see `reading.py`."""
