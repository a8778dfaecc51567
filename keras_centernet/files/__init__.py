"""Paths, local or remote, and files that are written whole or not at all."""
