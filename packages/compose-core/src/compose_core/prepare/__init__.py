"""Images made ready before a job: pure decisions, then what they ask for."""
