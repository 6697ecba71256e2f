"""Reads a merged file by PyTables, by pandas and by our own reader, and holds what they find against what h5py finds.

usage: compare_readers.py [--objects N] MERGED.h5 INSPECTED.json

INSPECTED.json is what `spolia inspect --json --digest` says of the file. PyTables reads all leaves, or those of N objects of each group
where there are very many. What it cannot read becomes an UnImplemented leaf; these must be of the sorts that it cannot read in any
file. Columns of numbers go into pandas. Every SHA-256 must be that of the elements as libhdf5 gives them in the type of the file.
Prints how much was compared, as JSON.
"""

import hashlib
import json
import sys
import warnings
from collections import Counter

import h5py
import numpy as np
import pandas
import tables

ALL = h5py.h5s.ALL


def fail(place, what):
    sys.exit(f"{place}: {what}")


def raw(dataset):
    """Elements as the bytes that they are in the file."""
    kind = dataset.get_type()
    values = np.empty(dataset.shape, f"V{kind.get_size()}")
    dataset.read(ALL, ALL, values, kind)
    return values.tobytes()


def unreadable(dataset):
    """The sort that a dataset is of, of those that PyTables does not read."""
    if h5py.check_string_dtype(dataset.dtype) and dataset.dtype.kind == "O":
        return "variable-length strings"
    if dataset.dtype.names and dataset.shape == ():
        return "a compound without dimensions"
    return None


def leaves(group, most):
    """The leaves below a group; of groups inside it, `most` at most."""
    for leaf in group._f_iter_nodes("Leaf"):
        yield leaf
    for number, inner in enumerate(group._f_iter_nodes("Group")):
        if most and number >= most:
            break
        yield from leaves(inner, most)


def compare_tables(path, file, most, counts):
    with warnings.catch_warnings():
        # One for each leaf that is not read, and for each attribute of an enumeration.
        warnings.simplefilter("ignore")
        with tables.open_file(path) as opened:
            for leaf in leaves(opened.root, most):
                dataset = file[leaf._v_pathname]
                sort = unreadable(dataset)
                if isinstance(leaf, tables.UnImplemented) and not sort:
                    fail(dataset.name, f"PyTables does not read it: {dataset.dtype}")
                if sort:
                    counts[f"PyTables: {sort}, not read"] += 1
                elif np.asarray(leaf.read()).tobytes() != raw(dataset.id):
                    fail(dataset.name, "PyTables reads other values")
                else:
                    counts[f"PyTables: {type(leaf).__name__}"] += 1
            compare_frames(opened, file, counts)


def compare_frames(opened, file, counts):
    """Groups of columns, as data frames by PyTables and by h5py."""
    for name in file:
        columns = [column for column in file[name].values() if isinstance(column, h5py.Dataset) and column.ndim == 1]
        columns = [column for column in columns if column.dtype.kind in "iuf"]
        for rows in {len(column) for column in columns}:
            own = [column for column in columns if len(column) == rows]
            frame = pandas.DataFrame({column.name: opened.get_node(column.name).read() for column in own})
            pandas.testing.assert_frame_equal(frame, pandas.DataFrame({column.name: column[:] for column in own}))
        counts["pandas: columns"] += len(columns)


def compare_digests(inspected, file, counts):
    digests = 0
    for told in inspected["objects"]:
        if "error" in told or "read_error" in told:
            fail(told["path"], told.get("error") or told["read_error"])
        if told.get("type") != "dataset":
            continue
        dataset = h5py.h5d.open(file.id, told["path"].encode())
        if "data_sha256_filetype" not in told:
            if dataset.dtype.kind != "O":
                fail(told["path"], "no digest")
            counts["digests: none for pointers"] += 1
        elif hashlib.sha256(raw(dataset)).hexdigest() != told["data_sha256_filetype"]:
            fail(told["path"], "another digest")
        else:
            digests += 1
    counts["digests"] += digests


def main(arguments):
    most = None
    if arguments[0] == "--objects":
        most, arguments = int(arguments[1]), arguments[2:]
    path, inspected = arguments
    counts = Counter()
    with h5py.File(path) as file:
        compare_tables(path, file, most, counts)
        with open(inspected) as text:
            compare_digests(json.load(text), file, counts)
    print(json.dumps(counts))


main(sys.argv[1:])
