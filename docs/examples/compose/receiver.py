"""A neighbouring container that webhooks are delivered to: says yes to every POST and prints what it got."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        print(body.decode(), flush=True)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


if __name__ == "__main__":
    with ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler) as server:
        print(f"receiver on port {server.server_port}", flush=True)
        server.serve_forever()
