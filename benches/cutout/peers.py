"""The peers written in Python. Reads one request per line, a JSON object; answers with the seconds it took, and where it has an index
of its own with the seconds and bytes of that.

Request: {"peer", "kind", "picks": [[path or URL, [numbers…]]…], "output"}
"""

import json
import os
import sys
import time

import h5py
import numpy as np

try:
    import fsspec
    import kerchunk.hdf
    import zarr
except ImportError:
    fsspec = None


def opened(path, **how):
    """A local file, or one of a server by fsspec, as it is read by default or as `how` says."""
    if not path.startswith("http"):
        return h5py.File(path)
    return h5py.File(fsspec.filesystem("http").open(path, **how))


def tables_naive(picks, output, **how):
    """A row at a time, a column at a time, as a first script would."""
    with h5py.File(output, "w") as out:
        total = sum(len(numbers) for _, numbers in picks)
        done = 0
        for path, numbers in picks:
            with opened(path, **how) as file:
                for name, column in file["Source"].items():
                    if name not in out:
                        out.create_dataset(name, (total,) + column.shape[1:], column.dtype)
                    for place, number in enumerate(numbers):
                        out[name][done + place] = column[number]
            done += len(numbers)


def tables_fancy(picks, output, **how):
    """All rows of a column with one list of numbers."""
    with h5py.File(output, "w") as out:
        columns = {}
        for path, numbers in picks:
            with opened(path, **how) as file:
                for name, column in file["Source"].items():
                    columns.setdefault(name, []).append(column[numbers])
        for name, parts in columns.items():
            out[name] = np.concatenate(parts)


def groups_naive(picks, output, **how):
    """Dataset by dataset."""
    with h5py.File(output, "w") as out:
        for path, numbers in picks:
            target = out.create_group(os.path.basename(path))
            with opened(path, **how) as file:
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


REFERENCES = {}


def references(picks):
    """kerchunk's index of each file, made once; its seconds and bytes."""
    started, size = time.perf_counter(), 0
    for path, _ in picks:
        if path not in REFERENCES:
            remote = path.startswith("http")
            source = fsspec.filesystem("http").open(path) if remote else path
            REFERENCES[path] = kerchunk.hdf.SingleHdf5ToZarr(source, path, inline_threshold=0).translate()
        size += len(json.dumps(REFERENCES[path]))
    return time.perf_counter() - started, size


def tables_kerchunk(picks, output):
    """zarr over kerchunk's references."""
    with h5py.File(output, "w") as out:
        columns = {}
        for path, numbers in picks:
            protocol = "http" if path.startswith("http") else "file"
            options = {"fo": REFERENCES[path], "remote_protocol": protocol, "remote_options": {"asynchronous": True}}
            group = zarr.open_group("reference://", mode="r", storage_options=options, zarr_format=2)["Source"]
            for name in (key.split("/")[1] for key in REFERENCES[path]["refs"] if key.endswith("/.zarray")):
                columns.setdefault(name, []).append(group[name].oindex[np.array(numbers)])
        for name, parts in columns.items():
            out[name] = np.concatenate(parts)


# The ways of caching that fsspec has, of which the best one counts.
TUNED = {f"{kind} {size >> 10} KB": {"cache_type": kind, "block_size": size}
         for kind in ("readahead", "blockcache", "background") for size in (32 << 10, 256 << 10, 1 << 20)}
TUNED["first"] = {"cache_type": "first", "block_size": 256 << 10}

PEERS = {
    ("tables", "h5py naive"): tables_naive,
    ("tables", "h5py fancy"): tables_fancy,
    ("tables", "kerchunk"): tables_kerchunk,
    ("groups", "h5py naive"): groups_naive,
    ("groups", "h5py copy"): groups_copy,
    ("groups", "h5o.copy"): groups_h5o,
}


def run(request):
    kind, peer, picks, output = (request[key] for key in ("kind", "peer", "picks", "output"))
    answer = {}
    if peer == "kerchunk":
        answer["index_seconds"], answer["index_bytes"] = references(picks)
    reading, how = PEERS.get((kind, peer)), {}
    if peer.startswith("h5py + fsspec"):
        reading = tables_fancy if kind == "tables" else groups_naive
        how = TUNED.get(peer.removeprefix("h5py + fsspec ").strip(), {})
    started = time.perf_counter()
    reading(picks, output, **how)
    answer["seconds"] = time.perf_counter() - started
    return answer


def main():
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"tuned": list(TUNED)} if request["peer"] == "tuned" else run(request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
