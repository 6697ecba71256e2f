"""Serves the files of a folder by HTTP, with ranges and ETags, and badly if asked to.

usage: range_server.py FOLDER [--fault-every N] [--change NAME] [--signature TEXT]

Prints its port. Every Nth request for bytes is spoilt, in turn by an answer 503, a connection that is closed, a body that is cut
short, and a range that was not asked for. The file NAME changes with its second request. With a signature, only URLs that end
with `?Signature=TEXT` are answered.
"""

import argparse
import hashlib
import itertools
import re
import socketserver
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Lock

FAULTS = ["unavailable", "closed", "short", "shifted"]


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder, fault_every, change, signature):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.fault_every, self.change = Path(folder), fault_every, change
        self.signature = signature
        self.lock, self.requests, self.faults, self.changed = Lock(), 0, itertools.cycle(FAULTS), 0

    def fault(self):
        """The fault of this request, if it is to have one."""
        with self.lock:
            self.requests += 1
            return next(self.faults) if self.fault_every and self.requests % self.fault_every == 0 else None

    def content(self, name):
        content = (self.folder / name).read_bytes()
        if name == self.change:
            with self.lock:
                self.changed += 1
                if self.changed > 1:
                    content = content[:-1] + bytes([content[-1] ^ 1])
        return content


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        name, _, query = self.path.lstrip("/").partition("?")
        if self.server.signature and query != f"Signature={self.server.signature}":
            return self.empty(403)
        try:
            content = self.server.content(name)
        except OSError:
            return self.empty(404)
        fault = self.server.fault() if with_body else None
        if fault == "unavailable":
            return self.empty(503)
        if fault == "closed":
            self.close_connection = True
            return
        start, end, status = 0, len(content), 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start = int(asked[1])
            end = min(int(asked[2]) + 1 if asked[2] else len(content), len(content))
            if start >= end:
                return self.empty(416)
            status = 206
        if fault == "shifted" and end < len(content):
            start, end = start + 1, end + 1
        body = content[start:end]
        self.send_response(status)
        self.send_header("ETag", '"' + hashlib.md5(content).hexdigest() + '"')
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 00:00:00 GMT")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.end_headers()
        if fault == "short":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif with_body:
            self.wfile.write(body)

    def empty(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--fault-every", type=int, default=0)
    arguments.add_argument("--change")
    arguments.add_argument("--signature")
    arguments = arguments.parse_args()
    with Server(arguments.folder, arguments.fault_every, arguments.change, arguments.signature) as server:
        print(server.server_address[1], flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
