"""Counts the letters of what it is asked."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Model(BaseHTTPRequestHandler):
    """`/health`, and `/count?text`."""

    def do_GET(self) -> None:
        """One answer."""
        self.send_response(200)
        self.end_headers()
        text = self.path.partition("?")[2]
        self.wfile.write(json.dumps({"letters": len(text)}).encode())


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Model).serve_forever()
