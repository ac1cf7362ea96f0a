"""Asks the model about each text and writes the answers to the job folder."""

import json
import os
import pathlib
import sys
import urllib.request

TEXTS = ["one file becomes one job", "the services start in order", "and the client waits for the server"]

answers = pathlib.Path(os.environ["HPC_COMPOSE_JOB_DIR"], "answers")
answers.mkdir(exist_ok=True)
with (answers / "answers.jsonl").open("w") as file:
    for text in TEXTS:
        with urllib.request.urlopen(sys.argv[1], data=text.encode()) as response:
            answer = {"text": text, **json.load(response)}
        print(answer, flush=True)
        file.write(json.dumps(answer) + "\n")
