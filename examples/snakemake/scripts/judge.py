"""Counts right and wrong answers by kind in the store: `judge.py HOST PORT SCORES_FILE ANSWER_FILE…`."""

import json
import pathlib
import socket
import sys

host, port, scores_file, *answer_files = sys.argv[1:]
KINDS = {"+": "sums", "-": "differences", "*": "products"}
with socket.create_connection((host, int(port)), timeout=30) as connection:
    stream = connection.makefile("rw")

    def ask(line):
        stream.write(line + "\n")
        stream.flush()
        return json.loads(stream.readline())

    for answer_file in answer_files:
        case = json.loads(pathlib.Path(answer_file).read_text())
        kind = KINDS[case["prompt"].split()[1]]
        ask(f"COUNT {kind} {'right' if case['answer'] == case['expected'] else 'wrong'}")
    scores = ask("ALL")
pathlib.Path(scores_file).write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n")
