"""One TAP door as its clients see it: what is timed is from the request to the last byte of the answer, nothing is parsed meanwhile."""

import http.client
import time
import urllib.parse

ENDED = ("COMPLETED", "ERROR", "ABORTED", "ARCHIVED")
JOB_TIMEOUT_S = 60


class Door:
    """A TAP service. Every request has a connection of its own, for both peers alike."""

    def __init__(self, name, url, table, position):
        self.name, self.table, self.position = name, table, position
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.path = parts.hostname, parts.port, parts.path

    def sync(self, query, maxrec, responseformat=None):
        """The answer of a synchronous query, and the seconds it took."""
        fields = {"LANG": "ADQL", "QUERY": query, "MAXREC": maxrec}
        if responseformat:
            fields["RESPONSEFORMAT"] = responseformat
        begun = time.perf_counter()
        status, _, body = self.ask("POST", f"{self.path}/sync", fields)
        seconds = time.perf_counter() - begun
        if status != 200:
            raise RuntimeError(f"{self.name} answered {status} to {query}: {body[:2000]!r}")
        return body, seconds

    def job(self, query, see):
        """The path of a job that was made, started, and seen COMPLETED in so many seconds; `see` waits for that.

        Making and starting are two requests, since DaCHS does not look at the PHASE of the first.
        """
        begun = time.perf_counter()
        status, location, body = self.ask("POST", f"{self.path}/async", {"LANG": "ADQL", "QUERY": query})
        if status != 303:
            raise RuntimeError(f"{self.name} answered {status} to a job: {body[:2000]!r}")
        job = urllib.parse.urlsplit(location).path
        self.ask("POST", f"{job}/phase", {"PHASE": "RUN"})
        phase = see(self, job, begun + JOB_TIMEOUT_S)
        seconds = time.perf_counter() - begun
        if phase != "COMPLETED":
            raise RuntimeError(f"a job of {self.name} is {phase}")
        return job, seconds

    def result(self, job):
        """The result of a job."""
        status, location, body = self.ask("GET", f"{job}/results/result")
        if status in (302, 303):
            status, _, body = self.ask("GET", urllib.parse.urlsplit(location).path)
        if status != 200:
            raise RuntimeError(f"{self.name} answered {status} to {job}/results/result")
        return body

    def ask(self, method, path, fields=None):
        """Status, Location and body of an answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=600)
        try:
            body = urllib.parse.urlencode(fields) if fields else None
            headers = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers.get("Location"), response.read()
        finally:
            connection.close()


def by_wait(door, job, deadline):
    """UWS 1.1 WAIT: the door answers when the phase changes. Looks until the job has ended."""
    phase = "QUEUED"
    while phase not in ENDED and time.perf_counter() < deadline:
        _, _, body = door.ask("GET", f"{job}?WAIT=30")
        phase = body.decode().split("phase>", 1)[1].split("<", 1)[0]
    return phase


def by_polling(door, job, deadline):
    """Asks for the phase every 50 ms until the job has ended."""
    phase = "QUEUED"
    while phase not in ENDED and time.perf_counter() < deadline:
        phase = door.ask("GET", f"{job}/phase")[2].decode().strip()
        if phase not in ENDED:
            time.sleep(0.05)
    return phase
