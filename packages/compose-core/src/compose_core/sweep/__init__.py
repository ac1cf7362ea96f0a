"""Many trials of one compose file: drawn from its `sweep`, submitted as job arrays, watched as one.

Start reading at `expansion` (which trials there are), then `submit` (how they become jobs), `state`, and `ranking`.
"""
