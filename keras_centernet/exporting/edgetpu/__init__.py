"""Detectors for Coral's Edge TPU."""
