"""DaCHS's side: Debian's python3-gavo with all its files in a folder and its database in Spolia's PostgreSQL server."""

import grp
import os
import pathlib
import shutil
import subprocess

from door import Door
from servers import free_port, serve

DACHS = "/usr/bin/dachs"
RESOURCE = pathlib.Path(__file__).with_name("sources.rd")
# It runs as whoever runs the bench: no user or group of its own, nothing in /etc or the home folder. The limits on jobs at work are
# the same as Spolia's (2).
SETTINGS = """\
[general]
rootDir: {root}
group: {group}
gavoGroup: {group}

[web]
user:
bindAddress: 127.0.0.1
serverPort: {port}
serverURL: http://127.0.0.1:{port}
"""


class DachsSite:
    """A DaCHS installation in a folder, made, filled and served."""

    def __init__(self, folder, socket, password_file):
        self.root, self.socket, self.port = folder / "gavo", socket, free_port()
        self.log = folder / "dachs.log"
        settings = folder / "gavorc"
        group = grp.getgrgid(os.getgid()).gr_name
        settings.write_text(SETTINGS.format(root=self.root, group=group, port=self.port))
        # Its programs are Debian's and run with Debian's Python; jobs are started as `gavo`, found on PATH.
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "GAVOSETTINGS": str(settings),
            "GAVOCUSTOM": str(folder / "none"),
            "PGPASSFILE": str(password_file),
        }

    def make(self, rows):
        """Makes the database, and imports and publishes the rows of a CSV file."""
        self._psql("postgres", "CREATE DATABASE gavo ENCODING 'UTF8'")
        self._dachs("init", "--dsn", f"host={self.socket} port=5432 user=spolia dbname=gavo")
        resource = self.root / "inputs" / "bench"
        resource.mkdir()
        shutil.copy(RESOURCE, resource / "q.rd")
        shutil.move(rows, resource / "rows.csv")
        self._dachs("import", "bench/q")
        self._psql("gavo", "VACUUM ANALYZE bench.sources")

    def serve(self, stack):
        """Serves as a data centre would, but in the foreground, until the stack unwinds."""
        url = f"http://127.0.0.1:{self.port}/tap"
        command = [DACHS, "serve", "start", "--foreground"]
        serve(stack, "DaCHS", command, self.environment, f"{url}/availability", self.log)
        return Door("DaCHS", url, "bench.sources", "POINT(ra, dec)")

    def _dachs(self, *arguments):
        with open(self.log, "ab") as output:
            done = subprocess.run([DACHS, *arguments], env=self.environment, stdout=output, stderr=output)
        if done.returncode != 0:
            said = self.log.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"dachs {arguments[0]} failed:\n{said}")

    def _psql(self, database, statement):
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-p", "5432", "-U", "spolia"]
        subprocess.run([*command, "-d", database, "-c", statement], env=self.environment, check=True)
