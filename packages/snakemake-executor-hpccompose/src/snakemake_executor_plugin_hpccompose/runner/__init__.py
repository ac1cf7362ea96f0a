"""The program that a unit's job runs on its node: the members of one task, each in an inner Snakemake of its own.

Nothing here imports compose_core: a job starts it a thousand times. What the executor shares with it are the two file
formats, `unit` (what is to run) and `results` (what became of it).
"""
