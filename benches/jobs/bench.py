"""Jobs: the same work by one process, by MPI ranks and under SLURM, in the same run; and what follows for large clusters. Prints Markdown.

Everything is made in a folder below /tmp and removed in the end. Usage: bench.py PROGRAMS [options], where PROGRAMS is the folder of `spolia`,
`spolia-make-gaia`, `spolia-worker` and `spolia-bench-desk`.
"""

import argparse
import contextlib
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import tempfile

from model import Costs, check, large_clusters
from work import Cluster, Site, busy, run

ALL = ["--adql", "SELECT source_id FROM gaia.completesource", "--with-transits"]
RANKS = (1, 2, 4)


def main():
    arguments = parse()
    # So that everything is stopped and removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    with contextlib.ExitStack() as stack:
        # In /tmp, since sockets want short paths, and servers' users must be able to enter it.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="spolia-bench-jobs-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        say(f"{os.cpu_count()} processors, {platform.machine()}")
        site = Site(arguments.programs, folder / "site")
        stack.callback(site.down)
        note("making files")
        files = site.make_files(folder / "files", arguments.sources, arguments.transits)
        ingests(arguments, folder, files)
        note("ingesting them once more, to cut from")
        site.up()
        site.ingest(files)
        measured = cuts(arguments, site)
        overheads = starts(arguments, site)
        slurm(arguments, site, folder)
        check(measured, overheads, os.cpu_count(), say)
        large_clusters(measured, say)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=pathlib.Path, help="the folder of the programs")
    parser.add_argument("--sources", type=int, default=48_000, help="objects that are groups")
    parser.add_argument("--transits", type=int, default=600_000, help="objects that are rows of tables")
    parser.add_argument("--rounds", type=int, default=5, help="how many times all of it is measured")
    parser.add_argument("--ingests", type=int, default=2, help="how many times the files are ingested in each way")
    return parser.parse_args()


def ingests(arguments, folder, files):
    """The same files into an empty site, by one process and by ranks."""
    ways = {"one process": None} | {f"{ranks} ranks": ranks for ranks in RANKS[1:]}
    walls = {way: [] for way in ways}
    for round in range(arguments.ingests):
        for way, ranks in ways.items():
            note(f"ingest, round {round + 1}: {way}")
            site = Site(arguments.programs, folder / "empty")
            try:
                site.up()
                done = busy(site.work(site.prepare("ingest", ["gaia", *map(str, files)]), ranks))
            finally:
                site.down()
                shutil.rmtree(folder / "empty")
            walls[way].append(done)
    say(f"\n### {len(files)} files into an empty archive of one node\n")
    table(walls, "ingests")


def cuts(arguments, site):
    """The same cut by one process and by ranks, and what each stage takes."""
    ways = {"spolia cut, one process": None, "spolia work, one process": 0} | {
        f"{ranks} MPI ranks, a thread each": ranks for ranks in RANKS
    }
    walls, stages, layout, written = {way: [] for way in ways}, {way: [] for way in ways}, [], []
    for round in range(arguments.rounds):
        for way, ranks in ways.items():
            note(f"cut, round {round + 1}: {way}")
            if ranks is None:
                walls[way].append(busy(site.command(["cut", "-o", str(site.path / "cut.h5"), *ALL])))
                continue
            folder = site.prepare("cut", ALL)
            walls[way].append(busy(site.work(folder, ranks or None)))
            stages[way].append(site.stages(folder))
            site.same(folder)
            if not ranks:
                # All is done but for the end: what is left is giving everything its place.
                site.undo_end(folder)
                layout.append(busy(site.work(folder, None)))
            shutil.rmtree(folder)
        written.append(site.written())
    objects, size = site.objects, (site.path / "cut.h5").stat().st_size
    say(f"\n### A cut of {objects:,} objects, {size / 1e6:.0f} MB\n")
    table(walls, "cuts")
    say("\nSeconds from the first share of a stage to its last, and of shares by all ranks together:\n")
    say("| | " + " | ".join(stages_of(stages)) + " |\n|---|" + "--:|" * len(stages_of(stages)))
    for way, seen in stages.items():
        if seen:
            cells = [pair(seen, stage) for stage in stages_of(stages)]
            say(f"| {way} | " + " | ".join(cells) + " |")
    wall, cpu = (statistics.median(values) for values in zip(*layout))
    say(f"\nPlaces alone, which every rank finds for itself: {wall:.2f} s, {cpu:.2f} s of processors.")
    disk = statistics.median(written)
    say(f"Writing as many bytes with one write, and waiting until they are on the disk: {disk:.2f} s.")
    told = run([arguments.programs / "spolia-bench-desk"]).splitlines()
    say(told[0])
    return Costs(objects, size, site.plan_bytes, cpu, float(told[1]) / 1e6, disk, {way: medians(seen) for way, seen in walls.items()})


def starts(arguments, site):
    """What it takes to begin and end where there is nothing to do."""
    folder = site.prepare("cut", ALL)
    site.work(folder, None)()
    ways = {"spolia work": None} | {f"mpirun, {ranks} ranks": ranks for ranks in RANKS}
    walls = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way, ranks in ways.items():
            walls[way].append(busy(site.work(folder, ranks)))
    say("\n### An order that is done already: beginning, reading it, ending\n")
    table(walls, "starts")
    shutil.rmtree(folder)
    return {way: medians(seen)[0] for way, seen in walls.items()}


def slurm(arguments, site, folder):
    """What SLURM adds to ranks that do the same work."""
    if not Cluster.is_installed():
        say("\nSLURM is not installed: its overhead was not measured.")
        return
    with Cluster(folder / "cluster") as cluster:
        rows = []
        for _ in range(arguments.rounds):
            rows.append(cluster.job(site, ["--ntasks=2", "--nodes=2", *ALL]))
    say("\n### The same under SLURM, two ranks on two nodes of this machine\n")
    say("| from | to | seconds, median |\n|---|---|--:|")
    for part in rows[0]:
        first, last = part
        say(f"| {first} | {last} | {statistics.median(row[part] for row in rows):.2f} |")


def table(walls, what):
    """Medians of wall and processor seconds, and ratios to the first way, round by round."""
    first = next(iter(walls.values()))
    say("| way | wall, s | processors, s | speed, times the first |\n|---|--:|--:|--:|")
    for way, seen in walls.items():
        wall, cpu = medians(seen)
        ratios = [base[0] / own[0] for base, own in zip(first, seen)]
        spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
        say(f"| {way} | {wall:.2f} | {cpu:.2f} | {statistics.median(ratios):.2f}{spread} |")
    say(f"\nMedians of {len(first)} {what} in turns.")


def medians(seen):
    return tuple(statistics.median(values) for values in zip(*seen))


def stages_of(stages):
    return list(dict.fromkeys(stage for seen in stages.values() for row in seen for stage in row))


def pair(seen, stage):
    wall, shares = (statistics.median(row[stage][place] for row in seen) for place in (0, 1))
    return f"{stage} {wall:.2f}, {shares:.2f}"


def say(text):
    print(text, flush=True)


def note(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
