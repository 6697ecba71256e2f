"""Holds copies of objects of any files against the originals, with h5py alone, and counts what was compared.

usage: compare_copies.py LIST.json

LIST.json is a list of {"source", "group", "copy"}: a file, the group of it whose members were cut out, and the merged file with them.
Elements without pointers are compared as the bytes that they are in the file; variable-length data, which the files keep in heaps, as
what libhdf5 makes of them. Elements that libhdf5 cannot decode here, for want of a filter, are compared as they are stored. Prints
how many datasets and attributes of each sort were compared, and what libhdf5 does not open, as JSON.
"""

import json
import sys
from collections import Counter

import h5py
import numpy as np

ALL = h5py.h5s.ALL
# Bytes of elements that are decoded at most: some datasets are large in nothing but their shape.
LARGEST = 64 << 20


def fail(place, what):
    sys.exit(f"{place}: {what}")


def pointing(kind):
    """How elements of a type point elsewhere: as a text, as a list, or not at all."""
    if isinstance(kind, h5py.h5t.TypeStringID):
        return "text" if kind.is_variable_str() else None
    if isinstance(kind, h5py.h5t.TypeVlenID):
        return "list"
    if isinstance(kind, h5py.h5t.TypeArrayID):
        return pointing(kind.get_super())
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        members = [pointing(kind.get_member_type(number)) for number in range(kind.get_nmembers())]
        return next((way for way in ("list", "text") if way in members), None)
    return None


def raw(thing, kind, *spaces):
    """Elements as the bytes that they are in the file."""
    values = np.empty(thing.shape, f"V{kind.get_size()}")
    thing.read(*spaces, values, kind)
    return values.tobytes()


def listed(value):
    """Elements with variable-length data as plain Python, numbers as their bytes."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return [value.shape, [listed(item) for item in value.ravel()]]
    if isinstance(value, (np.ndarray, np.void)) and value.dtype.names:
        return [(name, listed(value[name])) for name in value.dtype.names]
    if isinstance(value, (np.ndarray, np.generic)):
        return (value.dtype.str, value.shape, value.tobytes())
    return value


def names_of_attributes(thing):
    return {h5py.h5a.open(thing, index=number).name for number in range(h5py.h5a.get_num_attrs(thing))}


def shape_of(space):
    return space.get_simple_extent_type(), space.get_simple_extent_dims(True) if space.get_simple_extent_ndims() else None


class Comparison:
    def __init__(self):
        self.counts = Counter()
        self.unreadable = []

    def types(self, place, a, b):
        if not a.equal(b):
            fail(place, "another type")

    def attributes(self, place, a, b):
        try:
            names = [names_of_attributes(thing.id) for thing in (a, b)]
        except OSError as error:
            self.unreadable.append(f"{place}@: {error}")
            return
        if names[0] != names[1]:
            fail(place, f"attributes {sorted(names[1])} instead of {sorted(names[0])}")
        for name in names[0]:
            self.attribute(f"{place}@{name.decode(errors='replace')}", *(h5py.h5a.open(thing.id, name) for thing in (a, b)))

    def attribute(self, place, a, b):
        kind = a.get_type()
        self.types(place, kind, b.get_type())
        if shape_of(a.get_space()) != shape_of(b.get_space()):
            fail(place, "another shape")
        way = pointing(kind)
        if a.get_space().get_simple_extent_type() != h5py.h5s.NULL:
            if way:
                values = [np.empty(thing.shape, kind.dtype) for thing in (a, b)]
                a.read(values[0]), b.read(values[1])
                same = listed(values[0]) == listed(values[1])
            else:
                same = raw(a, kind) == raw(b, b.get_type())
            if not same:
                fail(place, "other values")
        self.counts[f"attributes_{way or 'plain'}"] += 1

    def dataset(self, place, a, b):
        kind = a.id.get_type()
        self.types(place, kind, b.id.get_type())
        if shape_of(a.id.get_space()) != shape_of(b.id.get_space()):
            fail(place, "another shape")
        way = pointing(kind)
        if a.shape is not None:
            if not decodable(a, way):
                way = "stored"
                if stored(a.id) != stored(b.id):
                    fail(place, "other chunks")
            elif elements(a, way) != elements(b, way):
                fail(place, "other values")
        self.counts[f"datasets_{way or 'plain'}"] += 1

    def objects(self, place, a, b):
        self.attributes(place, a, b)
        if isinstance(a, h5py.Dataset):
            return self.dataset(place, a, b)
        names = [set(thing.id) for thing in (a, b)]
        if names[0] != names[1]:
            fail(place, f"members {sorted(names[1])} instead of {sorted(names[0])}")
        self.counts["groups"] += 1
        for name in names[0]:
            self.member(f"{place}/{name.decode(errors='replace')}", a, name, b, name)

    def member(self, place, a, name, b, copied):
        try:
            original = a[name]
        except KeyError as error:
            self.unreadable.append(f"{place}: {error}")
            return
        self.objects(place, original, b[copied])


def elements(dataset, way):
    return listed(dataset[()]) if way else raw(dataset.id, dataset.id.get_type(), ALL, ALL)


def decodable(dataset, way):
    """Whether libhdf5 has all filters that a dataset went through, and this machine room for it."""
    if dataset.size * dataset.id.get_type().get_size() > LARGEST:
        return False
    try:
        elements(dataset, way)
    except OSError:
        return False
    return True


def stored(dataset):
    """Filters, and each chunk with its mask; how much there is where there are no chunks."""
    if dataset.get_create_plist().get_layout() != h5py.h5d.CHUNKED:
        return dataset.get_storage_size()
    pipeline = dataset.get_create_plist()
    filters = [pipeline.get_filter(number)[:3] for number in range(pipeline.get_nfilters())]
    chunks = [dataset.get_chunk_info(number).chunk_offset for number in range(dataset.get_num_chunks())]
    return filters, sorted((offset, dataset.read_direct_chunk(offset)) for offset in chunks)


def main(path):
    comparison = Comparison()
    for cut in json.load(open(path)):
        with h5py.File(cut["source"]) as source, h5py.File(cut["copy"]) as copy:
            group = source[cut["group"].encode() or "/"]
            for told in copy["provenance/object_path"][()]:
                name = told.rsplit(b"/", 1)[1]
                place = f"{cut['source']}:{cut['group']}/{name.decode(errors='replace')}"
                comparison.member(place, group, name, copy, told)
    print(json.dumps(comparison.counts | {"unreadable": comparison.unreadable}))


main(*sys.argv[1:])
