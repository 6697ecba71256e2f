"""Makes files of many small objects, each with a group of its own: an attribute, a number, and an array of 1 to 4 elements.

usage: many_objects.py FOLDER FILES OBJECTS

Files many_0.h5, many_1.h5 and so on hold the objects star_0 to star_{OBJECTS - 1} each: names repeat across files, values do not. The
first one is written by libhdf5; the others are copies of it with other values.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

LENGTHS = 4


def write_first(path, objects):
    """Writes the file; returns where in it the number and each element of the array of each object stand."""
    scalar = h5py.h5s.create(h5py.h5s.SCALAR)
    rows = [h5py.h5s.create_simple((1 + length,)) for length in range(LENGTHS)]
    integer, real, short = h5py.h5t.STD_I64LE, h5py.h5t.IEEE_F64LE, h5py.h5t.STD_I16LE
    ids, fluxes = [], []
    # The layers of h5py above libhdf5's own functions take ten times as long.
    with h5py.File(path, "w") as file:
        for number in range(objects):
            star = h5py.h5g.create(file.id, b"star_%d" % number)
            h5py.h5a.create(star, b"band", short, scalar).write(np.array(number % 7, "i2"))
            source_id = h5py.h5d.create(star, b"source_id", integer, scalar)
            source_id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(number, "i8"))
            ids.append(source_id.get_offset())
            flux = h5py.h5d.create(star, b"flux", real, rows[number % LENGTHS])
            flux.write(h5py.h5s.ALL, h5py.h5s.ALL, number + np.arange(1 + number % LENGTHS) / 8)
            fluxes.extend(flux.get_offset() + 8 * place for place in range(1 + number % LENGTHS))
    return np.array(ids), np.array(fluxes)


def main(folder, files, objects):
    paths = [Path(folder) / f"many_{number}.h5" for number in range(files)]
    places = write_first(paths[0], objects)
    content = np.fromfile(paths[0], "u1")
    for number, path in enumerate(paths[1:], 1):
        ids = (number * objects + np.arange(objects)).astype("<i8")
        fluxes = (np.arange(len(places[1])) + number / 64).astype("<f8")
        for where, values in zip(places, (ids, fluxes)):
            content[where[:, None] + np.arange(8)] = values.view("u1").reshape(-1, 8)
        content.tofile(path)


main(sys.argv[1], *map(int, sys.argv[2:]))
