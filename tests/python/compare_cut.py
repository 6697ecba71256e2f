"""Holds every object of a merged file against its source, bit for bit, with h5py alone.

usage: compare_cut.py MERGED.h5 FOLDER_OF_SOURCES

Names, types, shapes, attributes and values must agree. /provenance says where each object came from.
"""

import sys
from pathlib import Path

import h5py
import numpy as np


def fail(place, what):
    sys.exit(f"{place}: {what}")


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind == "O":
        # Texts, or lists of different lengths.
        items = zip(a.ravel(), b.ravel())
        return a.shape == b.shape and all(same_bits(x, y) if isinstance(x, np.ndarray) else x == y for x, y in items)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def compare_types(place, a, b):
    if not (h5py.h5t.TypeID.equal(a, b)):
        fail(place, "another type")


def compare_attributes(place, a, b):
    if sorted(a.attrs) != sorted(b.attrs):
        fail(place, f"attributes {sorted(b.attrs)} instead of {sorted(a.attrs)}")
    for name in a.attrs:
        x, y = (h5py.h5a.open(o.id, name.encode()) for o in (a, b))
        compare_types(f"{place}@{name}", x.get_type(), y.get_type())
        if not same_bits(a.attrs[name], b.attrs[name]):
            fail(f"{place}@{name}", f"{b.attrs[name]!r} instead of {a.attrs[name]!r}")


def compare_objects(place, a, b):
    compare_attributes(place, a, b)
    if isinstance(a, h5py.Group):
        if sorted(a) != sorted(b):
            fail(place, f"members {sorted(b)} instead of {sorted(a)}")
        for name in a:
            compare_objects(f"{place}/{name}", a[name], b[name])
        return
    compare_types(place, a.id.get_type(), b.id.get_type())
    if a.shape != b.shape or not same_bits(a[()], b[()]):
        fail(place, "other values")


def compare_row(place, source, number, merged, row):
    compare_attributes(place, source, merged)
    if sorted(source) != sorted(merged):
        fail(place, "other columns")
    for name in source:
        a, b = source[name], merged[name]
        compare_types(f"{place}/{name}", a.id.get_type(), b.id.get_type())
        compare_attributes(f"{place}/{name}", a, b)
        if not same_bits(a[number], b[row]):
            fail(f"{place}/{name}[{row}]", f"{b[row]!r} instead of {a[number]!r}")


def main(merged_path, folder):
    with h5py.File(merged_path) as merged:
        origin = merged["provenance"]
        names = [name.decode() for name in origin["file_name"][()]]
        sources = [h5py.File(Path(folder) / f"{name}.h5") for name in names]
        told = set()
        columns = (origin[f"object_{column}"][()] for column in ("path", "row", "file", "number"))
        for path, row, file, number in zip(*columns):
            path = path.decode()
            told.add(path)
            source = sources[file]
            if row >= 0:
                compare_row(path, source[path.strip("/")], number, merged[path], row)
            else:
                compare_objects(path, source[path.rsplit("/", 1)[1]], merged[path])
        for name in merged:
            inner = merged[name]
            tables = any(isinstance(inner[member], h5py.Dataset) for member in inner)
            here = [f"/{name}"] if tables else [f"/{name}/{member}" for member in inner]
            extra = [path for path in here if name != "provenance" and path not in told]
            if extra:
                fail(extra[0], "nobody asked for it")
        print(f"{origin['object_path'].shape[0]} objects of {len(names)} files are the same bit for bit")


main(*sys.argv[1:])
