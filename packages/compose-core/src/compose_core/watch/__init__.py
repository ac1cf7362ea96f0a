"""The live view of a job: model, update and view are pure, `app` alone touches the terminal."""
