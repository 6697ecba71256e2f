"""A table of sources from CSV (sourceId, alpha, delta, varpi) as an HDF5 file of Gaia's form: clusters.py CSV FOLDER"""

import pathlib
import sys

import h5py
import numpy as np

rows = np.genfromtxt(
    sys.argv[1],
    delimiter=",",
    dtype=[("sourceId", "i8"), ("alpha", "f8"), ("delta", "f8"), ("varpi", "f8")],
)
with h5py.File(pathlib.Path(sys.argv[2], "CompleteSource_1.h5"), "w") as file:
    for name in rows.dtype.names:
        file[f"CompleteSource/{name}"] = rows[name]
