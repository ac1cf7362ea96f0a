"""A table for a person: `report.py SCORES_FILE REPORT_FILE`."""

import json
import pathlib
import sys

scores_file, report_file = sys.argv[1:]
scores = json.loads(pathlib.Path(scores_file).read_text())
kinds = sorted({name.split()[0] for name in scores})
lines = ["# How good is the model?", "", "| kind | right | of |", "|---|---|---|"]
for kind in kinds:
    right, wrong = scores.get(f"{kind} right", 0), scores.get(f"{kind} wrong", 0)
    lines.append(f"| {kind} | {right} | {right + wrong} |")
pathlib.Path(report_file).write_text("\n".join(lines) + "\n")
