"""Operators: one task, one compose job."""
