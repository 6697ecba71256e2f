"""Spolia's TAP door against DaCHS: the same rows, in the same PostgreSQL server, in the same run. Prints Markdown.

Everything is made in a folder below /tmp and removed in the end. Usage: bench.py PROGRAMS [options], where PROGRAMS is the folder of
`spolia` and `spolia-make-gaia`.
"""

import argparse
import contextlib
import csv
import os
import pathlib
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import rows
from dachs_site import DachsSite
from door import by_polling, by_wait
from report import Report, percentile
from spolia_site import COLUMNS, SpoliaSite

# How the formats are asked for; the default of Spolia is TABLEDATA, that of DaCHS is BINARY.
FORMATS = {"default": None, "TABLEDATA": "votable/td", "BINARY2": "votable/b2"}


def main():
    arguments = parse()
    # So that everything is stopped and removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    with contextlib.ExitStack() as stack:
        # In /tmp, since the node's socket wants a short path, and the server's user must be able to enter it.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="spolia-bench-tap-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        ours, theirs, centres = set_up(stack, folder, arguments)
        bench = Bench(arguments, ours, theirs, centres)
        bench.head()
        bench.downloads()
        bench.cones()
        bench.jobs()
        text = bench.report.finish()
    if arguments.out:
        arguments.out.write_text(text)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=pathlib.Path, help="the folder of spolia and spolia-make-gaia")
    parser.add_argument("--sources", type=int, default=100_000, help="rows of the table")
    parser.add_argument("--stars", type=pathlib.Path, help="a file of stars (stars.sh), for more than 48,226 sources")
    parser.add_argument("--rounds", type=int, default=5, help="how many times all of it is measured")
    parser.add_argument("--cones", type=int, default=200, help="centres, asked for in each round")
    parser.add_argument("--radius", type=float, default=0.5, help="degrees around a centre")
    parser.add_argument("--jobs", type=int, default=20, help="small jobs of each round")
    parser.add_argument("--out", type=pathlib.Path, help="a file for what is printed")
    return parser.parse_args()


def set_up(stack, folder, arguments):
    """Both doors, and random rows as (source_id, ra, dec)."""
    say("making the site of Spolia")
    site = SpoliaSite(arguments.programs, folder)
    stack.callback(site.down)
    site.make(arguments.sources, arguments.stars, folder / "files")
    exported = folder / "rows.csv"
    site.export(exported, arguments.sources)
    with open(exported, newline="") as file:
        stars = [(row["source_id"], float(row["ra"]), float(row["dec"])) for row in csv.DictReader(file)]
    if len(stars) != arguments.sources:
        raise SystemExit(f"{len(stars)} rows were exported, not {arguments.sources}")
    say("making the site of DaCHS")
    peer = DachsSite(folder, *site.postgres())
    peer.make(exported)
    chosen = random.Random(1).choices(stars, k=max(arguments.cones, arguments.jobs))
    return site.serve(stack), peer.serve(stack), chosen


class Bench:
    """All that is measured. The two take turns, and take turns in who is first."""

    def __init__(self, arguments, ours, theirs, chosen):
        self.arguments, self.ours, self.theirs, self.chosen = arguments, ours, theirs, chosen
        self.report = Report()

    def head(self):
        a, version = self.arguments, subprocess.run([self.arguments.programs / "spolia", "--version"],
                                                    capture_output=True, text=True, check=True).stdout.strip()
        package = subprocess.run(["dpkg-query", "-W", "python3-gavo"], capture_output=True, text=True).stdout.split()
        build = a.programs.resolve().name
        if build != "release":
            build += ", NOT OPTIMISED: the ratios say little"
        self.report.say(f"## TAP: {version} ({build}) and DaCHS (python3-gavo {package[-1] if package else '?'})\n\n"
                        f"{a.sources:,} rows of 8 columns, {a.rounds} rounds; {os.cpu_count()} processors, {platform.machine()}, "
                        f"load {os.getloadavg()[0]:.1f} at the start; {time.strftime('%Y-%m-%d')}\n")

    def turns(self, number):
        return (self.ours, self.theirs) if number % 2 == 0 else (self.theirs, self.ours)

    def downloads(self):
        """All rows by one synchronous query."""
        lines = []
        for title, name in FORMATS.items():
            taken = {self.ours: [], self.theirs: []}
            say(f"all rows, {title}")
            # Round 0 warms up and is looked at.
            for number in range(self.arguments.rounds + 1):
                answers = {}
                for door in self.turns(number):
                    query = f"SELECT {COLUMNS} FROM {door.table}"
                    answers[door], seconds = door.sync(query, self.arguments.sources, name)
                    if number > 0:
                        taken[door].append(self.arguments.sources / seconds)
                if number == 0:
                    count = rows.compare(f"all rows, {title}", answers[self.ours], answers[self.theirs])
                    if count != self.arguments.sources:
                        raise SystemExit(f"all rows, {title}: {count} rows")
            lines.append((title, taken[self.ours], taken[self.theirs]))
        self.report.rates(f"{self.arguments.sources:,} rows, synchronous, VOTable", lines)
        # By default each gives what it likes best, and these are two different things.
        for title, ours, theirs in (line for line in lines if line[0] != "default"):
            self.report.goal(f"rows per second, {title}, times DaCHS", percentile(ours, 50) / percentile(theirs, 50), 10, True)

    def cones(self):
        """Small circles around sources, with positions up to a radius away from them."""
        draw, taken, found = random.Random(2), {self.ours: [], self.theirs: []}, 0
        circles = []
        for _, ra, dec in self.chosen[: self.arguments.cones]:
            dec = max(-90.0, min(90.0, dec + draw.uniform(-0.5, 0.5) * self.arguments.radius))
            circles.append(f"CIRCLE({ra:.6f}, {dec:.6f}, {self.arguments.radius})")
        say("cones")
        for number in range(self.arguments.rounds + 1):
            for place, circle in enumerate(circles):
                answers = {}
                for door in self.turns(number + place):
                    query = f"SELECT {COLUMNS} FROM {door.table} WHERE 1 = CONTAINS({door.position}, {circle})"
                    answers[door], seconds = door.sync(query, self.arguments.sources)
                    if number > 0:
                        taken[door].append(seconds)
                if number == 0:
                    found += rows.compare(circle, answers[self.ours], answers[self.theirs])
        title = f"{len(circles)} cones of {self.arguments.radius} degrees, synchronous, VOTable, {found / len(circles):.1f} rows each"
        self.report.times(title, [("Spolia", taken[self.ours]), ("DaCHS", taken[self.theirs])])

    def jobs(self):
        """One row by an asynchronous job, from the request that makes it until it is seen COMPLETED."""
        ways = [("Spolia, WAIT", self.ours, by_wait), ("Spolia, asked every 50 ms", self.ours, by_polling),
                ("DaCHS, WAIT", self.theirs, by_wait), ("DaCHS, asked every 50 ms", self.theirs, by_polling)]
        taken = {name: [] for name, _, _ in ways}
        say("jobs")
        for number in range(self.arguments.rounds):
            for place, (source_id, _, _) in enumerate(self.chosen[: self.arguments.jobs]):
                answers = {}
                for name, door, see in ways if (number + place) % 2 == 0 else ways[::-1]:
                    job, seconds = door.job(f"SELECT {COLUMNS} FROM {door.table} WHERE source_id = {source_id}", see)
                    taken[name].append(seconds)
                    if number == 0 and place == 0:
                        answers[door] = door.result(job)
                if answers:
                    rows.compare("a job", answers[self.ours], answers[self.theirs])
        self.report.times("A small job, from the first POST until it is seen COMPLETED", list(taken.items()))
        self.report.goal("ms until a small job is seen COMPLETED, median", percentile(taken["Spolia, WAIT"], 50) * 1e3, 50, False)


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
