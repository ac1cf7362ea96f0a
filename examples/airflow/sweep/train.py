"""Fits a line to noisy points; writes the loss of each epoch as the figure of the trial."""

import argparse
import json
import os
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--batch", type=int, required=True)
given = parser.parse_args()

random.seed(7)
points = [(x / 100, 3 * x / 100 + random.gauss(0, 0.05)) for x in range(100)]
slope = 0.0
with (Path(os.environ["HPC_COMPOSE_JOB_DIR"]) / "trial.jsonl").open("a", encoding="utf-8", buffering=1) as figures:
    for epoch in range(3):
        for start in range(0, len(points), given.batch):
            batch = points[start : start + given.batch]
            slope -= given.lr * sum((slope * x - y) * x for x, y in batch) / len(batch)
        loss = sum((slope * x - y) ** 2 for x, y in points) / len(points)
        print(f"epoch={epoch} loss={loss:.5f}", flush=True)
        figures.write(json.dumps({"step": epoch, "name": "loss", "value": loss}) + "\n")
