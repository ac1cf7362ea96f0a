"""Exactly-once submission: whatever dies in between, one logical submission becomes one job that runs."""
