"""What is on disk: who owns a path, what is in each file, how it is written and read."""
