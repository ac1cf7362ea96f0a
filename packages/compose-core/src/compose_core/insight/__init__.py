"""What records mean: comparisons and advice, as pure functions of what was written down."""
