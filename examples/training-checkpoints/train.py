"""A stand-in for a training: a few numbers that get better, and a checkpoint after each epoch."""

import json
import os
import pathlib
import sys
import time

folder = pathlib.Path(sys.argv[1])
epochs, pause_s = int(sys.argv[2]), float(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
checkpoint = folder / "checkpoint.json"
state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"epoch": 0, "loss": 1.0}
print(f"attempt {os.environ.get('HPC_COMPOSE_ATTEMPT', '0')} starts after epoch {state['epoch']}", flush=True)
while state["epoch"] < epochs:
    time.sleep(pause_s)
    state = {"epoch": state["epoch"] + 1, "loss": state["loss"] * 0.8}
    new = checkpoint.with_suffix(".new")
    new.write_text(json.dumps(state))
    new.replace(checkpoint)  # a reader sees the old one or the new one
    print(f"epoch {state['epoch']}: loss {state['loss']:.4f}", flush=True)
