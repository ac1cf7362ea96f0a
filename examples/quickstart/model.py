"""A model server as small as can be: it counts the words of a text."""

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Model(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"status": "ok"})

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer({"words": len(text.split())})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
port = arguments.parse_args().port
print("loading the model", flush=True)
time.sleep(1)  # a real one takes longer, which is why the client waits for readiness
print(f"serving on port {port}", flush=True)
HTTPServer(("", port), Model).serve_forever()
