"""Spolia's side: a site of one node with Gaia-shaped sources, served."""

import os
import subprocess

from door import Door
from servers import free_port, serve

COLUMNS = "source_id, alpha, delta, varpi, mu_alpha_star, mu_alpha_star_error, mu_delta, mu_delta_error"
TABLE = "gaia.completesource"


class SpoliaSite:
    """A site in a folder; its node is one PostgreSQL server, which the peer's database goes into as well."""

    def __init__(self, programs, folder):
        self.spolia = programs / "spolia"
        self.site = folder / "site"
        self.environment = {**os.environ, "SPOLIA_SITE": str(self.site)}
        self.log = folder / "spolia.log"

    def make(self, sources, stars, files):
        """Makes files of so many sources, of a file of stars or the built-in ones, and brings them in."""
        self._run("init", self.site, "--shards", "1")
        self._run("up")
        # The smallest number of transits: only sources are asked for.
        self._run("make-gaia", "--layout", "table", "--sources", sources, "--sources-per-file", 10_000,
                  "--transits", 1, "--out", files, *(["--stars", stars] if stars else []))
        self._run("ingest", "gaia", *sorted(files.glob("CompleteSource_*.h5")))

    def export(self, path, rows):
        """Writes all rows as CSV, with positions in degrees too."""
        query = f"SELECT {COLUMNS}, DEGREES(alpha) AS ra, DEGREES(delta) AS dec FROM {TABLE}"
        self._run("query", "--maxrec", rows + 1, "--format", "csv", "--output", path, query)

    def postgres(self):
        """Folder of the socket, and the file of the password, of user `spolia`."""
        node = self.site / "nodes" / "n1"
        return node / "socket", node / "pgpass"

    def serve(self, stack):
        """Serves until the stack unwinds."""
        port = free_port()
        command = [self.spolia, "serve", "--listen", f"127.0.0.1:{port}", "--flight-listen", f"127.0.0.1:{free_port()}"]
        serve(stack, "spolia", command, self.environment, f"http://127.0.0.1:{port}/healthz", self.log)
        return Door("Spolia", f"http://127.0.0.1:{port}/tap", TABLE, "POINT(DEGREES(alpha), DEGREES(delta))")

    def down(self):
        """Stops the node."""
        if (self.site / "spolia.toml").exists():
            self._run("down")

    def _run(self, *arguments):
        command = [str(self.spolia), *map(str, arguments)]
        subprocess.run(command, env=self.environment, stdout=subprocess.DEVNULL, check=True)
