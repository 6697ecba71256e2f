"""Paths that lead elsewhere, in thousands of spellings, at every door that gives files.

usage: paths.py BASE_URL OF_ONE_WHERE_NOBODY_MAY_TAKE_FILES
"""

import itertools
import sys
from urllib.parse import quote, urlsplit

import http.client

OPEN, CLOSED = sys.argv[1:3]
TARGETS = ["etc/passwd", "secret.txt", "spolia.toml", "nodes/n1/data/PG_VERSION", "tokens.toml", "log/operations.jsonl", "proc/self/environ"]
UP = ["../", "..\\", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f", "..%c0%af", "%c0%ae%c0%ae/", "..;/", "....//", "..%00/", "/", "//", "file:///", "..%ef%bc%8f"]
ENDS = ["", "%00", "%00.h5", ".h5", "?x=.h5", "#.h5", "/", "/."]
NAME = "CompleteSource_130097_0000.h5"


def get(base, path):
    """Status and body of a request whose path goes out as it is written."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def spellings():
    for up, depth, target, end in itertools.product(UP, (1, 3, 8), TARGETS, ENDS):
        yield up * depth + target + end


doors = [
    lambda text: f"/api/files?name={text}",
    lambda text: f"/api/files?name={quote(text, safe='')}",
    lambda text: f"/api/files/{text}",
    lambda text: f"/datalink/gaiamerger?id={quote(text, safe='')}",
    lambda text: f"/datalink/selections/{quote(text, safe='')}",
    lambda text: f"/tap/async/{quote(text, safe='')}/results/result",
    lambda text: f"/datalink/gaiamerger/async/x/results/{text}",
    lambda text: f"/tap/tables/{text}",
    lambda text: f"/{text}",
]
tried, statuses = 0, {}
for at, text in enumerate(spellings()):
    path = doors[at % len(doors)](text)
    status, body = get(OPEN, path.replace(" ", "%20"))
    tried += 1
    statuses[status] = statuses.get(status, 0) + 1
    assert status in (303, 400, 401, 404, 405) or (status == 200 and path.startswith("/?")) or b"<html" in body[:300].lower(), (status, path)
    for leak in (b"root:", b"a secret of the site", b"[nodes]", b"PATH=", b"\x89HDF"):
        assert leak not in body, (path, leak)
assert tried > 2000, tried

# A file that is not there and one that is not for whoever asks are told alike.
status, body = get(OPEN, f"/api/files?name={NAME}")
assert status == 200 and body.startswith(b"\x89HDF"), status
for more in ("", "&collection=gaia"):
    missing, told = get(OPEN, f"/api/files?name=CompleteSource_130097_9999.h5{more}")
    status, body = get(CLOSED, f"/api/files?name={NAME}{more}")
    assert (missing, status) == (404, 404), (missing, status)
    assert body.replace(NAME.encode(), b"") == told.replace(b"CompleteSource_130097_9999.h5", b""), (body, told)
print(f"{tried} paths: {statuses}")
print("no path leads out of the catalogue")
