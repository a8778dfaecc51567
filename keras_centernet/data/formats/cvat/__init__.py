"""CVAT's own XML: one file of many images."""
