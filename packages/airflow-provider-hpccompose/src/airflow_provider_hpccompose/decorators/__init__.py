"""`@task.hpccompose`: a function that says what to run."""
