"""Paths, local or remote, and atomic file writes."""
