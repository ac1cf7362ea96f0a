"""The outside world: the only folder that starts programs."""
