"""CSV as an HDF5 file whose table's columns are datasets: table_file.py CSV FILE; the class is the file's name up to its first _."""

import csv
import pathlib
import sys

import h5py
import numpy as np


def column(texts):
    """The texts as integers, else as floats, else as they are."""
    for kind in (int, float):
        try:
            return np.array([kind(text) for text in texts])
        except ValueError:
            pass
    return texts


with open(sys.argv[1], newline="") as lines:
    names, *rows = csv.reader(lines)
path = pathlib.Path(sys.argv[2])
table = path.name.split("_")[0]
with h5py.File(path, "w") as file:
    for name, texts in zip(names, zip(*rows)):
        file[f"{table}/{name}"] = column(list(texts))
