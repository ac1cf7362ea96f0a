"""Says how good a model is."""

import json
import sys
from pathlib import Path

weights = json.loads(next(Path(sys.argv[1]).rglob("weights.json")).read_text(encoding="utf-8"))
print(f"the slope of run {weights['run']} is wrong by {abs(weights['slope'] - 3):.3f}")
