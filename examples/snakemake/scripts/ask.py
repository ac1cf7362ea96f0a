"""Asks the model one prompt: `ask.py URL PROMPT_FILE ANSWER_FILE`."""

import json
import pathlib
import sys
import urllib.request

url, prompt_file, answer_file = sys.argv[1:]
case = json.loads(pathlib.Path(prompt_file).read_text())
request = urllib.request.Request(url, data=json.dumps({"prompt": case["prompt"]}).encode())
with urllib.request.urlopen(request, timeout=60) as response:
    case["answer"] = json.load(response)["text"]
pathlib.Path(answer_file).write_text(json.dumps(case) + "\n")
