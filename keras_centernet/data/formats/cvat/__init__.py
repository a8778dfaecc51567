"""CVAT's own XML format: one file for many images."""
