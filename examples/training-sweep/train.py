"""Fits a line to noisy points by stochastic gradient descent; prints the loss of each epoch and keeps the weights."""

import argparse
import json
import os
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--seed", default="0")
given = parser.parse_args()

random.seed(given.seed)
points = [(x / 100, 3 * x / 100 - 1 + random.gauss(0, 0.05)) for x in range(100)]
slope = offset = 0.0
job = Path(os.environ["HPC_COMPOSE_JOB_DIR"])
with (job / "trial.jsonl").open("a", encoding="utf-8", buffering=1) as figures:
    for epoch in range(5):
        random.shuffle(points)
        for start in range(0, len(points), given.batch):
            batch = points[start : start + given.batch]
            errors = [(slope * x + offset - y, x) for x, y in batch]
            slope -= given.lr * sum(error * x for error, x in errors) / len(errors)
            offset -= given.lr * sum(error for error, _ in errors) / len(errors)
        loss = sum((slope * x + offset - y) ** 2 for x, y in points) / len(points)
        print(f"epoch={epoch} loss={loss:.5f}", flush=True)
        figures.write(json.dumps({"step": epoch, "name": "loss", "value": loss}) + "\n")

(job / "model").mkdir()
(job / "model" / "weights.json").write_text(json.dumps({"slope": slope, "offset": offset}), encoding="utf-8")
