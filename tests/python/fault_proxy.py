"""Stands before an HTTP server and spoils some of its answers.

usage: fault_proxy.py PORT_OF_SERVER EVERY

Prints its own port. Every Nth request for an object's bytes is spoilt, in turn by an answer 500, a connection that is closed, a
body that is cut short, and a body of which a byte is missing although all is as announced. Requests go on as they came, with
their signature and the host that it was made for.
"""

import http.client
import itertools
import socketserver
import sys
from http.server import BaseHTTPRequestHandler
from threading import Lock

FAULTS = itertools.cycle(["error", "closed", "short", "fewer"])
LOCK = Lock()
SEEN = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.forward(False)

    def do_GET(self):
        self.forward(True)

    def forward(self, with_body):
        with LOCK:
            fault = next(FAULTS) if with_body and next(SEEN) % EVERY == 0 else None
        if fault == "error":
            return self.answer(500, [], b"<Error><Code>InternalError</Code></Error>")
        if fault == "closed":
            self.close_connection = True
            return
        server = http.client.HTTPConnection("127.0.0.1", SERVER)
        server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            server.putheader(name, value)
        server.endheaders()
        response = server.getresponse()
        body = response.read()
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in ("content-length", "transfer-encoding", "connection")]
        if not with_body:
            headers.append(("Content-Length", response.getheader("Content-Length") or "0"))
            return self.answer(response.status, headers, None)
        if fault == "fewer":
            return self.answer(response.status, headers, body[:-1])
        self.answer(response.status, headers, body, cut=fault == "short")

    def answer(self, status, headers, body, cut=False):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is not None:
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256


SERVER, EVERY = int(sys.argv[1]), int(sys.argv[2])
with Server(("127.0.0.1", 0), Handler) as proxy:
    print(proxy.server_address[1], flush=True)
    proxy.serve_forever()
