"""How is it now: snapshots of jobs, their logs, their artifacts, and their end on request."""
