"""Holds merged files with very many objects against their sources, bit for bit, with h5py: what compare_cut.py does one by one.

usage: compare_many.py [--sample N] FOLDER_OF_SOURCES MERGED...

Merged files may hold groups, rows of tables, or packed objects. Types, shapes, attributes and values must agree: of tables by whole
columns; of packed objects (whose datasets have no attributes) by columns made of what the sources hold. With --sample, N objects of
groups, evenly spread, are compared instead of all.
"""

import functools
import sys
from pathlib import Path

import h5py
import numpy as np

ALL = h5py.h5s.ALL
DTYPES = {}


def fail(place, what):
    sys.exit(f"{place}: {what}")


def dtype_of(kind):
    """The type as libhdf5 would write it down, and numpy's name of it, which takes long to find out."""
    encoded = kind.encode()
    if encoded not in DTYPES:
        DTYPES[encoded] = kind.dtype
    return encoded, DTYPES[encoded]


def bits(values):
    """What must be the same: the elements' bytes, or the elements themselves where they point elsewhere."""
    if values.dtype.hasobject:
        return [item.tolist() if isinstance(item, np.ndarray) else item for item in values.ravel().tolist()]
    return values.tobytes()


def attributes_of(thing):
    found = {}
    for place in range(h5py.h5a.get_num_attrs(thing)):
        attribute = h5py.h5a.open(thing, index=place)
        encoded, dtype = dtype_of(attribute.get_type())
        values = np.empty(attribute.shape, dtype)
        attribute.read(values)
        found[attribute.name] = (encoded, attribute.shape, bits(values))
    return found


def dataset_of(dataset):
    encoded, dtype = dtype_of(dataset.get_type())
    values = np.empty(dataset.shape, dtype)
    dataset.read(ALL, ALL, values)
    return encoded, dataset.shape, bits(values)


def content_of(thing):
    """Everything in an object, by name."""
    attributes = attributes_of(thing)
    if isinstance(thing, h5py.h5d.DatasetID):
        return attributes, dataset_of(thing)
    return attributes, {name: content_of(h5py.h5o.open(thing, name)) for name in thing}


class Told:
    """What /provenance says of each object, as columns."""

    def __init__(self, merged):
        told = merged["provenance"]
        self.path, self.row, self.file, self.number = (
            told[f"object_{name}"][()] for name in ("path", "row", "file", "number")
        )
        self.files = [name.decode() for name in told["file_name"][()]]
        # Only objects that were packed have lost their names.
        self.names = told["object_name"][()] if "object_name" in told else None

    def name(self, place):
        """The name of an object in its source."""
        return self.path[place].rsplit(b"/", 1)[1] if self.names is None else self.names[place]


@functools.cache
def source_content(source, name):
    """An object of a source, which several merged files are held against."""
    return content_of(h5py.h5o.open(source.id, name))


def compare_groups(merged, told, sources, chosen):
    for place in chosen:
        path = told.path[place]
        if content_of(h5py.h5o.open(merged.id, path)) != source_content(sources[told.file[place]], told.name(place)):
            fail(path.decode(), "it is not what its source has")


def compare_names(merged, told, chosen):
    """Nothing stands there that nobody asked for."""
    found = sum(len(merged[f"/{file}"]) for file in {told.files[number] for number in told.file[chosen]})
    if found != len(chosen):
        fail("the merged file", f"{found} objects, and {len(chosen)} are told of")


def compare_rows(merged, told, sources, chosen):
    for path in sorted(set(told.path[chosen])):
        here = chosen[told.path[chosen] == path]
        if sorted(told.row[here]) != list(range(len(here))):
            fail(path.decode(), "rows that nobody asked for, or none for what was")
        table = merged[path]
        for file in np.unique(told.file[here]):
            own = here[told.file[here] == file]
            source = sources[file][path.decode().strip("/")]
            if sorted(source) != sorted(table) or attributes_of(source.id) != attributes_of(table.id):
                fail(path.decode(), "other columns or attributes")
            for name in source:
                a, b = source[name], table[name]
                same = attributes_of(a.id) == attributes_of(b.id) and dtype_of(a.id.get_type()) == dtype_of(b.id.get_type())
                if not same or len(b) != len(here) or a.shape[1:] != b.shape[1:]:
                    fail(b.name, "another type, shape or attribute")
                if bits(a[()][told.number[own]]) != bits(b[()][told.row[own]]):
                    fail(b.name, "other values")


def fields_of(content):
    """Type, shape and elements of every attribute and dataset of a source's object."""
    attributes, members = content
    return attributes | {name: elements for name, (_, elements) in members.items()}


def compare_packed(merged, told, sources, chosen):
    for path in sorted(set(told.path[chosen])):
        here = chosen[told.path[chosen] == path]
        here = here[np.argsort(told.row[here])]
        if told.row[here].tolist() != list(range(len(here))):
            fail(path.decode(), "rows that nobody asked for, or none for what was")
        parts, shapes, types, columns = {}, {}, {}, merged[path]
        for place in here:
            fields = fields_of(source_content(sources[told.file[place]], told.name(place)))
            for name, (encoded, shape, values) in fields.items():
                parts.setdefault(name, []).append(values)
                shapes.setdefault(name, []).append(shape)
                types.setdefault(name, encoded)
        for name in parts:
            compare_column(columns, name.decode(), types[name], shapes[name], parts[name], len(here))
        offsets = {f"{name.decode()}_offsets" for name in parts if len(set(shapes[name])) > 1}
        extra = set(columns) - {name.decode() for name in parts} - offsets
        if extra:
            fail(path.decode(), f"columns that no object has: {sorted(extra)}")


def compare_column(columns, name, encoded, shapes, parts, rows):
    column = columns[name]
    if len(parts) != rows:
        fail(column.name, "not all objects have it: compare_packed.py compares such ones")
    if dtype_of(column.id.get_type())[0] != encoded:
        fail(column.name, "another type")
    found = bits(column[()])
    if found != (b"".join(parts) if isinstance(found, bytes) else [item for part in parts for item in part]):
        fail(column.name, "other values")
    if len(set(shapes)) > 1:
        offsets = np.cumsum([0] + [shape[0] for shape in shapes])
        if columns[f"{name}_offsets"][()].tolist() != offsets.tolist():
            fail(column.name, "other offsets")
    elif column.shape != (rows, *shapes[0]):
        fail(column.name, "another shape")


def main(arguments):
    sample = None
    if arguments[0] == "--sample":
        sample, arguments = int(arguments[1]), arguments[2:]
    opened = functools.cache(lambda name: h5py.File(Path(arguments[0]) / f"{name}.h5"))
    for path in arguments[1:]:
        with h5py.File(path) as merged:
            told = Told(merged)
            sources = [opened(name) for name in told.files]
            groups, others = np.flatnonzero(told.row < 0), np.flatnonzero(told.row >= 0)
            if len(groups):
                compare_names(merged, told, groups)
                step = max(1, len(groups) // sample) if sample else 1
                groups = groups[::step]
                compare_groups(merged, told, sources, groups)
            if len(others):
                (compare_rows if told.names is None else compare_packed)(merged, told, sources, others)
            print(f"{len(groups) + len(others)} objects of {len(sources)} files are the same bit for bit")


main(sys.argv[1:])
