"""What someone might send who means no good, or whose program is broken: queries, uploads, and very many at once.

usage: hostile.py BASE_URL HOST_URL MARKER
HOST_URL is where the tables of this script are served from, which the service may fetch though it is not public.
"""

import concurrent.futures
import http.server
import random
import socket
import sys
import threading
import time
from urllib.parse import urlparse

import requests

BASE_URL, HOST_URL, MARKER = sys.argv[1:]
SYNC = f"{BASE_URL}/tap/sync"
WAIT = 60

# Fragments that have broken other services, around a word that must never stand in SQL outside of a literal.
FRAGMENTS = [
    f"'; DROP TABLE {MARKER}; --", f"' OR '1'='1{MARKER}", f"\\'; SELECT {MARKER}", f"''{MARKER}''", f'"{MARKER}"', f'"; DROP TABLE {MARKER}; --',
    f"$${MARKER}$$", f"$x${MARKER}$x$", f"E'\\x27{MARKER}'", f"U&'\\0027{MARKER}'", f"/*{MARKER}*/", f"--{MARKER}\n", f"/*/*{MARKER}*/",
    f"\u2019{MARKER}\u2019", f"\uff07{MARKER}\uff07", f"\x00{MARKER}", f"\ud7ff{MARKER}", f"%27{MARKER}", f"{MARKER}()", f"pg_sleep(9){MARKER}",
    f"; COPY (SELECT {MARKER}) TO PROGRAM 'id'", f"UNION SELECT {MARKER} FROM pg_authid", f"::{MARKER}", f"[{MARKER}]", f"{{{{{MARKER}}}}}",
    f"\r\n{MARKER}", f"\\{MARKER}", f"`{MARKER}`", f"@{MARKER}", f"#{MARKER}", f"1e999{MARKER}", f"0x{MARKER}", f"({MARKER}", f"'{MARKER}", f"{MARKER}'",
]
SHAPES = [
    "SELECT source_id FROM gaia.completesource WHERE file_name = '{}'",
    "SELECT source_id AS {} FROM gaia.completesource",
    "SELECT {} FROM gaia.completesource",
    "SELECT source_id FROM gaia.{}",
    "SELECT source_id FROM {}",
    "SELECT source_id FROM gaia.completesource AS {}",
    "SELECT source_id FROM gaia.completesource WHERE file_name LIKE '{}%'",
    "SELECT source_id FROM gaia.completesource ORDER BY {}",
    "SELECT file_name, '{}' AS x FROM gaia.completesource",
    "SELECT TOP {} source_id FROM gaia.completesource",
    "SELECT COUNT(*) FROM gaia.completesource GROUP BY {}",
    "SELECT source_id FROM gaia.completesource WHERE source_id IN (1, {})",
    "SELECT UPPER('{}') AS u, source_id FROM gaia.completesource WHERE key_name ILIKE '{}'",
    "{} SELECT source_id FROM gaia.completesource",
    "SELECT source_id FROM gaia.completesource {}",
    "WITH {} AS (SELECT source_id FROM gaia.completesource) SELECT * FROM {}",
    "SELECT CAST('{}' AS TIMESTAMP) AS t FROM gaia.completesource",
    "SELECT source_id FROM gaia.completesource WHERE 1 = CONTAINS(POINT('{}', 1, 2), CIRCLE('{}', 1, 2, 3))",
    "SELECT source_id FROM gaia.completesource WHERE 1 = IVO_HASWORD(file_name, '{}')",
    "{}",
]


def hostile(number):
    """A query, the same for the same number."""
    chance = random.Random(number)
    text = chance.choice(SHAPES)
    while "{}" in text:
        fragment = "".join(chance.choice(FRAGMENTS) for _ in range(chance.randint(1, 2)))
        text = text.replace("{}", fragment.replace("'", "''") if chance.random() < 0.4 else fragment, 1)
    if chance.random() < 0.2:
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice("'\"\\;()\x00\x1b\u202e") + text[at:]
    return text


def ask(number):
    """The status of one hostile query; what is refused is refused in a VOTable that can be read."""
    answer = sessions.session.post(SYNC, data={"LANG": "ADQL", "MAXREC": 5, "QUERY": hostile(number).encode("utf-8", "surrogatepass")}, timeout=WAIT)
    assert answer.status_code in (200, 400), (number, hostile(number), answer.status_code, answer.text)
    assert answer.headers["content-type"].startswith("application/x-votable+xml"), (number, answer.headers)
    answer.content.decode("utf-8")
    return answer.status_code


sessions = threading.local()


def prepare():
    sessions.session = requests.Session()


with concurrent.futures.ThreadPoolExecutor(4, initializer=prepare) as pool:
    statuses = list(pool.map(ask, range(5000)))
print(f"5000 hostile queries: {statuses.count(200)} answered, {statuses.count(400)} refused")
assert statuses.count(200) > 100 and statuses.count(400) > 1000

# Uploads that are none.
FIELD = '<FIELD name="a" datatype="int"/>'


def table(fields=FIELD, rows="<TR><TD>1</TD></TR>", head='<?xml version="1.0"?>'):
    return f'{head}<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>'


def binary(content, fields=FIELD, form="BINARY2", attributes='encoding="base64"'):
    return f'<VOTABLE version="1.4"><RESOURCE><TABLE>{fields}<DATA><{form}><STREAM {attributes}>{content}</STREAM></{form}></DATA></TABLE></RESOURCE></VOTABLE>'


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)) + "]>"
PAYLOADS = {
    "billion laughs": table(rows="<TR><TD>&j;</TD></TR>", head=LAUGHS),
    "quadratic blowup": table(rows="<TR><TD>" + "&a;" * 10000 + "</TD></TR>", head='<!DOCTYPE l [<!ENTITY a "' + "x" * 10000 + '">]>'),
    "a file by an entity": table(rows="<TR><TD>&x;</TD></TR>", head='<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "a host by an entity": table(rows="<TR><TD>&x;</TD></TR>", head='<!DOCTYPE l [<!ENTITY x SYSTEM "http://127.0.0.1:1/">]>'),
    "an entity of parameters": table(head='<!DOCTYPE l [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]>'),
    "a schema from outside": table(head='<!DOCTYPE VOTABLE SYSTEM "http://127.0.0.1:1/VOTable.dtd">'),
    "an unknown entity": table(rows="<TR><TD>&nothing;</TD></TR>"),
    "a letter that there is not": table(rows="<TR><TD>&#x110000;</TD></TR>"),
    "deep nesting": "<VOTABLE>" + "<RESOURCE>" * 100_000,
    "deep nesting that ends": "<VOTABLE>" + "<RESOURCE>" * 5_000 + "</RESOURCE>" * 5_000 + "</VOTABLE>",
    "a huge attribute": table(fields=f'<FIELD name="{"a" * 5_000_000}" datatype="int"/>'),
    "very many attributes": table(fields="<FIELD " + " ".join(f'a{i}="1"' for i in range(200_000)) + ' name="a" datatype="int"/>'),
    "very many fields": table(fields="".join(f'<FIELD name="a{i}" datatype="int"/>' for i in range(100_000))),
    "no end": table()[:-40],
    "no table": "<VOTABLE><RESOURCE/></VOTABLE>",
    "no VOTable": "<html><body>not found</body></html>",
    "nothing": "",
    "two cells for one field": table(rows="<TR><TD>1</TD><TD>2</TD></TR>"),
    "no number": table(rows="<TR><TD>one</TD></TR>"),
    "a number too large": table(rows="<TR><TD>99999999999</TD></TR>"),
    "an unknown datatype": table(fields='<FIELD name="a" datatype="quaternion"/>'),
    "a huge array": table(fields='<FIELD name="a" datatype="int" arraysize="99999999999"/>'),
    "a huge array of arrays": table(fields='<FIELD name="a" datatype="int" arraysize="99999x99999x99999"/>'),
    "the same name twice": table(fields=FIELD * 2, rows="<TR><TD>1</TD><TD>2</TD></TR>"),
    "no base64": binary("!!!!"),
    "a short stream": binary("AAAA"),
    "a length that lies": binary("AH////8=", fields='<FIELD name="a" datatype="char" arraysize="*"/>'),
    "a stream from elsewhere": binary("", attributes='href="file:///etc/passwd"'),
    "an encoding that there is not": table(head='<?xml version="1.0" encoding="klingon"?>'),
    "no UTF-8": table(rows="<TR><TD>@</TD></TR>").replace("@", "\udcff"),
    "a name that is SQL": table(fields='<FIELD name="a&quot;; DROP TABLE x; --" datatype="int"/>'),
    "tags that cross": "<VOTABLE><RESOURCE><TABLE></RESOURCE></TABLE></VOTABLE>",
    "Arrow of impossible length": b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\0" * 100,
    "Parquet": b"PAR1" + b"\xff" * 100 + b"PAR1",
    "CSV of very many columns": "a," * 1_000_000,
    "CSV of very many columns behind a quoted line": '"x\n",' + "a," * 1_000_000,
    "a NUL": table(rows="<TR><TD>1\x00</TD></TR>"),
}


def upload(content, name="mine", query="SELECT * FROM TAP_UPLOAD.mine"):
    body = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    return requests.post(SYNC, data={"QUERY": query, "UPLOAD": f"{name},param:part"}, files={"part": ("mine.vot", body)}, timeout=WAIT)


assert upload(table()).status_code == 200
taken = []
for what, payload in PAYLOADS.items():
    began = time.perf_counter()
    answer = upload(payload)
    if answer.status_code == 200:
        taken.append(what)
    assert answer.status_code in (200, 400, 413), (what, answer.status_code, answer.text[:500])
    assert "root:" not in answer.text and "<VOTABLE" in answer.text, what
    assert time.perf_counter() - began < 20, what
print(f"{len(PAYLOADS)} hostile uploads, of which taken: {taken}")
# Names of any letters are names, and say nothing to SQL.
assert set(taken) <= {"a name that is SQL"}, taken
assert upload(b"<" + b"x" * (5 << 20)).status_code in (400, 413)
assert upload(table(), name="mine; DROP").status_code == 400
assert upload(table(), query="SELECT * FROM TAP_UPLOAD.other").status_code == 400
assert requests.post(SYNC, data={"QUERY": "SELECT * FROM TAP_UPLOAD.mine", "UPLOAD": "mine,param:none"}, timeout=WAIT).status_code == 400


# Tables fetched from elsewhere.
class Tables(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/table")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/none" else 200)
        self.end_headers()
        if self.path == "/endless":
            try:
                while True:
                    self.wfile.write(b"<!-- -->" * 100_000)
            except OSError:
                return
        if self.path == "/slow":
            time.sleep(1)
        self.wfile.write(table().encode())

    def log_message(self, *_):
        pass


host = urlparse(HOST_URL)
served = http.server.ThreadingHTTPServer((host.hostname, host.port), Tables)
threading.Thread(target=served.serve_forever, daemon=True).start()
QUERY = "SELECT a FROM TAP_UPLOAD.mine"


def fetched(address):
    return requests.post(SYNC, data={"QUERY": QUERY, "RESPONSEFORMAT": "csv", "UPLOAD": f"mine,{address}"}, timeout=120)


assert fetched(f"{HOST_URL}/table").text.split() == ["a", "1"] == fetched(f"{HOST_URL}/slow").text.split()
for address, words in {
    f"{HOST_URL}/none": "404",
    f"{HOST_URL}/redirect": "redirects are not followed",
    f"{HOST_URL}/endless": "at most",
    BASE_URL.replace("127.0.0.1", "localhost") + "/tap/capabilities": "not a public one",
    f"http://127.0.0.1:{urlparse(BASE_URL).port}/metrics": "not a public one",
    "http://[::ffff:127.0.0.1]:1/": "not a public one",
    "http://169.254.169.254/latest/meta-data": "not a public one",
    "file:///etc/passwd": "neither",
    "vos://space/table": "neither",
    "ftp://127.0.0.1/x": "neither",
}.items():
    answer = fetched(address)
    assert answer.status_code in (400, 413) and words in answer.text, (address, answer.status_code, answer.text)

# 500 at once: each is answered, or told to come again.
SMALL = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM gaia.astroelementary", "RESPONSEFORMAT": "csv"}
with concurrent.futures.ThreadPoolExecutor(500) as pool:
    answers = list(pool.map(lambda _: requests.post(SYNC, data=SMALL, timeout=120), range(500)))
statuses = [answer.status_code for answer in answers]
assert set(statuses) <= {200, 503} and all("retry-after" in a.headers for a in answers if a.status_code == 503), set(statuses)
print(f"500 clients at once: {statuses.count(200)} answered, {statuses.count(503)} told to come again")
assert requests.post(SYNC, data=SMALL, timeout=WAIT).status_code == 200

# One who asks for much and reads nothing of it.
address = urlparse(BASE_URL)
silent = socket.create_connection((address.hostname, address.port))
silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
much = "+UNION+ALL+".join(["SELECT+*+FROM+gaia.astroelementary"] * 12)
body = f"LANG=ADQL&MAXREC=5000000&QUERY={much}"
silent.sendall(f"POST /tap/sync HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
began = time.perf_counter()
while True:
    lines = requests.get(f"{BASE_URL}/metrics", timeout=WAIT).text.splitlines()
    if any('outcome="aborted"' in line and 'door="tap"' in line and not line.endswith(" 0") for line in lines):
        break
    assert time.perf_counter() - began < 40, "\n".join(lines)
    time.sleep(0.2)
print("one who does not read is given up")
silent.close()

# Faults that others have had.
for data, words in [
    ({"QUERY": "SELECT 'unclosed FROM gaia.completesource"}, "line 1"),
    ({"QUERY": "SELECT 1 AS x FROM gaia.completesource", "MAXREC": "-1"}, "MAXREC"),
    ({"QUERY": "SELECT 1 AS x FROM gaia.completesource", "MAXREC": "lots"}, "MAXREC"),
    ({"QUERY": "SELECT 1 AS x FROM gaia.completesource", "RESPONSEFORMAT": "sketch"}, "votable"),
    ({"QUERY": "SELECT 1 AS x FROM gaia.completesource", "LANG": "SQL"}, "LANG"),
    ({"QUERY": ""}, "QUERY is missing"),
]:
    answer = requests.post(SYNC, data=data, timeout=WAIT)
    kind = answer.headers["content-type"]
    assert answer.status_code == 400 and kind.startswith("application/x-votable+xml") and words in answer.text, (data, answer.text)
    assert 'name="QUERY_STATUS" value="ERROR"' in answer.text
count = requests.post(SYNC, data={"QUERY": "SELECT COUNT(*) AS n FROM tap_schema.columns", "RESPONSEFORMAT": "csv"}, timeout=WAIT)
assert int(count.text.split()[1]) > 50, count.text
zipped = requests.post(SYNC, data={"QUERY": "SELECT * FROM tap_schema.columns"}, headers={"Accept-Encoding": "gzip"}, timeout=WAIT)
assert zipped.headers["content-encoding"] == "gzip" and "<TABLEDATA>" in zipped.text
for maxrec, told in (("3", "true"), ("100000", "false")):
    answer = requests.post(SYNC, data={"QUERY": "SELECT source_id FROM gaia.completesource", "RESPONSEFORMAT": "csv", "MAXREC": maxrec}, timeout=WAIT)
    assert answer.headers["x-spolia-overflow"] == told, answer.headers
late = requests.post(SYNC, data={"QUERY": "SELECT source_id * 4000000000000 AS x FROM gaia.completesource", "RESPONSEFORMAT": "csv"}, timeout=WAIT)
assert late.status_code == 400 and "out of the range" in late.text, (late.status_code, late.text[:300])
print("nothing hostile gets through")
