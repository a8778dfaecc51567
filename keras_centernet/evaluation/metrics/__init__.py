"""Metrics of detections; `table` lists them."""
