"""Asks the model server one question and prints the answer."""

import json
import os
import urllib.request

question = {"messages": [{"role": "user", "content": "Name three uses of a compute cluster."}], "max_tokens": 64}
question["model"] = os.environ["MODEL"]
request = urllib.request.Request(
    os.environ["LLM_URL"] + "/v1/chat/completions", json.dumps(question).encode(), {"Content-Type": "application/json"}
)
with urllib.request.urlopen(request, timeout=300) as answer:
    print(json.load(answer)["choices"][0]["message"]["content"])
