"""Sweeps: many trials of one compose file."""
