"""Sites, orders, and clusters of one machine; and what work on them takes."""

import datetime
import filecmp
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import time

OWN = pathlib.Path(__file__).resolve().parents[2]


def busy(work):
    """Wall and processor seconds of work that is done by processes."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Site:
    """An archive of one node."""

    def __init__(self, programs, path):
        self.programs, self.path, self.orders, self.objects, self.plan_bytes = programs.resolve(), path, 0, 0, 0

    def up(self):
        self.command(["init", "--shards", "1"])()
        self.command(["up"])()

    def down(self):
        if (self.path / "spolia.toml").exists():
            self.command(["down"])()

    def make_files(self, folder, sources, transits):
        options = ["--sources", str(sources), "--transits", str(transits), "--layout", "mixed"]
        run([self.programs / "spolia-make-gaia", *options, "--transits-per-file", "1500", "--out", folder])
        return sorted(folder.glob("*.h5"))

    def ingest(self, files):
        run([self.programs / "spolia", "--site", self.path, "ingest", "gaia", *files])

    def command(self, arguments):
        return lambda: run([self.programs / "spolia", "--site", self.path, *arguments])

    def prepare(self, kind, what):
        """A folder with an order that nobody has begun."""
        self.orders += 1
        folder = self.path / f"order-{self.orders}"
        run([self.programs / "spolia", "--site", self.path, "jobs", "submit", kind, *what, "--scheduler=local", "--prepare", folder])
        return folder

    def work(self, folder, ranks):
        """Work on an order by so many ranks with a thread each, or by one process with all threads."""
        if ranks is None:
            return lambda: run([self.programs / "spolia", "work", folder, "1"])
        launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
        return lambda: run([*launch, self.programs / "spolia-worker", folder, "--threads=1"])

    def same(self, folder):
        """Checks that a merged file is that of one process."""
        if not filecmp.cmp(folder / "merged.h5", self.path / "cut.h5", shallow=False):
            raise SystemExit(f"{folder}: the merged file is another one")

    def written(self):
        """Seconds that it takes to write a file as large as the merged one, and to have it on the disk."""
        content, copy = (self.path / "cut.h5").read_bytes(), self.path / "written"
        begun = time.monotonic()
        with open(copy, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        seconds = time.monotonic() - begun
        copy.unlink()
        return seconds

    def stages(self, folder):
        """Of each stage the seconds from its first share to its last, and those of all shares together."""
        seen, self.plan_bytes = {}, (folder / "plan.json").stat().st_size
        for line in ledger(folder):
            if note := line.get("share"):
                begun, ended = note["begun_ms"], note["ended_ms"]
                first, last, sum = seen.get(note["share"]["stage"], (begun, ended, 0))
                seen[note["share"]["stage"]] = (min(first, begun), max(last, ended), sum + ended - begun)
            self.objects = line.get("whole", {}).get("report", {}).get("cut", {}).get("objects", self.objects)
        return {stage: ((last - first) / 1e3, sum / 1e3) for stage, (first, last, sum) in seen.items()}

    def undo_end(self, folder):
        """Has an order look as if it had been killed when all was done."""
        lines = [line for line in (folder / "ledger.jsonl").read_text().splitlines() if not line.startswith('{"whole"')]
        (folder / "ledger.jsonl").write_text("\n".join(lines) + "\n")
        (folder / "merged.h5").rename(folder / "merged.part")


class Cluster:
    """SLURM's one-machine cluster."""

    def __init__(self, path):
        self.path, self.script = path, OWN / "slurm/one-machine"

    @staticmethod
    def is_installed():
        return all(pathlib.Path("/usr/sbin", daemon).exists() for daemon in ("slurmctld", "slurmd", "munged"))

    def __enter__(self):
        told = subprocess.run([self.script, "up", self.path], check=True, capture_output=True, text=True).stdout
        os.environ["SLURM_CONF"] = re.search(r"SLURM_CONF=(\S+)", told)[1]
        return self

    def __exit__(self, *_):
        run([self.script, "down", self.path])

    def job(self, site, options):
        """Has a cut made; returns the seconds between the moments of its life."""
        spolia = [site.programs / "spolia", "--site", site.path, "jobs"]
        output = site.path / "slurm.h5"
        begun = time.time()
        submit = [*spolia, "submit", "cut", "--scheduler=slurm", "--wait", "-o", output, *options]
        job = run(submit).strip()
        ended = time.time()
        shown = json.loads(run([*spolia, "show", job, "--json"]))
        folder = site.path / "jobs" / job
        if not filecmp.cmp(output, site.path / "cut.h5", shallow=False):
            raise SystemExit("the merged file is another one")
        lines = ledger(folder)
        work = next(line["attempt"]["begun_ms"] for line in lines if "attempt" in line) / 1e3
        whole = next(line["whole"]["ended_ms"] for line in lines if "whole" in line) / 1e3
        submitted = datetime.datetime.fromisoformat(shown["attempts"][0]["submitted"]).timestamp()
        shutil.rmtree(folder)
        return {
            ("the command", "sbatch (finding objects and files)"): submitted - begun,
            ("sbatch", "the first rank at work"): work - submitted,
            ("there", "the merged file is whole"): whole - work,
            ("there", "the command ends (it looks once a second, and copies the file)"): ended - whole,
        }


def ledger(folder):
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout
