"""A store of counters: `COUNT name` adds one, `ALL` tells them; one line each."""

import json
import socketserver
import sys

COUNTERS = {}


class Store(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            word, _, name = line.decode().strip().partition(" ")
            if word == "COUNT":
                COUNTERS[name] = COUNTERS.get(name, 0) + 1
            said = COUNTERS if word == "ALL" else COUNTERS.get(name)
            self.wfile.write(json.dumps(said).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


Server(("", int(sys.argv[1])), Store).serve_forever()
