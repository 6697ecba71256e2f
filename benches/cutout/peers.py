"""The peers written in Python. Reads one request per line, a JSON object; answers with the seconds it took.

Request: {"peer", "kind", "picks": [[path, [numbers…]]…], "output"}
"""

import json
import os
import sys
import time

import h5py
import numpy as np


def tables_naive(picks, output):
    """A row at a time, a column at a time, as a first script would."""
    with h5py.File(output, "w") as out:
        total = sum(len(numbers) for _, numbers in picks)
        done = 0
        for path, numbers in picks:
            with h5py.File(path) as file:
                for name, column in file["Source"].items():
                    if name not in out:
                        out.create_dataset(name, (total,) + column.shape[1:], column.dtype)
                    for place, number in enumerate(numbers):
                        out[name][done + place] = column[number]
            done += len(numbers)


def tables_fancy(picks, output):
    """All rows of a column with one list of numbers."""
    with h5py.File(output, "w") as out:
        columns = {}
        for path, numbers in picks:
            with h5py.File(path) as file:
                for name, column in file["Source"].items():
                    columns.setdefault(name, []).append(column[numbers])
        for name, parts in columns.items():
            out[name] = np.concatenate(parts)


def groups_naive(picks, output):
    """Dataset by dataset."""
    with h5py.File(output, "w") as out:
        for path, numbers in picks:
            target = out.create_group(os.path.basename(path))
            with h5py.File(path) as file:
                for number in numbers:
                    source = file[f"SourceImpl_{number}"]
                    group = target.create_group(f"SourceImpl_{number}")
                    for name, value in source.attrs.items():
                        group.attrs[name] = value
                    for name, dataset in source.items():
                        copy = group.create_dataset(name, data=dataset[()])
                        for attribute, value in dataset.attrs.items():
                            copy.attrs[attribute] = value


def groups_copy(picks, output):
    """Group.copy."""
    with h5py.File(output, "w") as out:
        for path, numbers in picks:
            target = out.create_group(os.path.basename(path))
            with h5py.File(path) as file:
                for number in numbers:
                    file.copy(f"SourceImpl_{number}", target)


def groups_h5o(picks, output):
    """H5Ocopy with as little Python around it as possible."""
    with h5py.File(output, "w") as out:
        for path, numbers in picks:
            target = out.create_group(os.path.basename(path)).id
            with h5py.File(path) as file:
                source = file.id
                for number in numbers:
                    name = b"SourceImpl_%d" % number
                    h5py.h5o.copy(source, name, target, name)


PEERS = {
    ("tables", "h5py naive"): tables_naive,
    ("tables", "h5py fancy"): tables_fancy,
    ("groups", "h5py naive"): groups_naive,
    ("groups", "h5py copy"): groups_copy,
    ("groups", "h5o.copy"): groups_h5o,
}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        run = PEERS[(request["kind"], request["peer"])]
        started = time.perf_counter()
        run(request["picks"], request["output"])
        print(json.dumps(time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    main()
