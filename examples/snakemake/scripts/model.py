"""A model as small as can be: it adds and subtracts, and has never heard of multiplication."""

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(prompt):
    left, sign, right = prompt.split()
    if sign == "+":
        return str(int(left) + int(right))
    if sign == "-":
        return str(int(left) - int(right))
    return "I do not know"


class Model(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply({"status": "ok"})

    def do_POST(self):
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"]
        self.reply({"text": answer(prompt)})

    def reply(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
port = arguments.parse_args().port
print("loading the model", flush=True)
time.sleep(1)  # a real one takes minutes, which is why it is loaded once for all jobs
print(f"serving on port {port}", flush=True)
ThreadingHTTPServer(("", port), Model).serve_forever()
