"""Makes the two sets of files that the bench cuts from: tables and groups. Nothing is made twice; equal seeds give equal values.

usage: make_files.py FOLDER [--tables N ROWS] [--groups N OBJECTS]
"""

import argparse
import os
import sys

import h5py
import numpy as np

TEXTS = ["VARIABLE", "CONSTANT", "NOT_AVAILABLE"]


def columns(random, rows):
    """21 columns as a Gaia source table has them."""
    angles = {name: random.random(rows) for name in ("alpha", "delta", "parallax", "mu_alpha", "mu_delta")}
    errors = {name + "_error": random.random(rows).astype("f4") for name in angles}
    flux = {name: random.lognormal(9, 2, rows) for name in ("flux_g", "flux_bp", "flux_rp")}
    counts = {name: random.integers(0, 200, rows).astype("i2") for name in ("n_obs_al", "n_obs_ac", "n_good")}
    return {
        "source_id": np.sort(random.integers(0, 2**62, rows)),
        "random_index": random.permutation(rows).astype("i8"),
        "flag": random.integers(0, 3, rows).astype("i1"),
        "class": np.array([TEXTS[n] for n in random.integers(0, 3, rows)], dtype="S16"),
        "covariance": random.random((rows, 3)).astype("f4"),
        **angles,
        **errors,
        **flux,
        **counts,
    }


def table(path, seed, rows):
    random = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        group = file.create_group("Source")
        group.attrs["class"] = "Source"
        for name, values in columns(random, rows).items():
            chunks = (4096,) + values.shape[1:]
            column = group.create_dataset(name, data=values, chunks=chunks, shuffle=True, compression="gzip", compression_opts=4)
            column.attrs["description"] = f"the column {name}"
            column.attrs["unit"] = "rad"


def groups(path, seed, objects):
    random = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for number in range(objects):
            group = file.create_group(f"SourceImpl_{number}")
            group.attrs["source_id"] = np.int64(random.integers(0, 2**62))
            group.attrs["designation"] = f"Gaia DR3 {number}"
            for name in ("alpha", "delta", "parallax", "mu_alpha", "mu_delta"):
                group.create_dataset(name, data=random.random())
            group["alpha"].attrs["unit"] = "rad"
            group.create_dataset("flag", data=np.int8(random.integers(0, 3)))
            group.create_dataset("text", data=TEXTS[random.integers(0, 3)])
            group.create_dataset("times", data=np.sort(random.random(40)))
            group.create_dataset("flux", data=random.random(40).astype("f4"))
            group.create_dataset("flux_error", data=random.random(40).astype("f4"))
            group.create_dataset("covariance", data=random.random((5, 5)).astype("f4"))
            group.create_dataset("counts", data=random.integers(0, 200, 9).astype("i2"))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--tables", nargs=2, type=int, default=[20, 200_000])
    arguments.add_argument("--groups", nargs=2, type=int, default=[6, 20_000])
    arguments = arguments.parse_args()
    for kind, make, (count, size) in (("tables", table, arguments.tables), ("groups", groups, arguments.groups)):
        folder = os.path.join(arguments.folder, f"{kind}-{count}-{size}")
        os.makedirs(folder, exist_ok=True)
        for number in range(count):
            path = os.path.join(folder, f"Source_{number:03}.h5")
            if not os.path.exists(path):
                print(f"making {path}", file=sys.stderr)
                make(path + ".part", number, size)
                os.rename(path + ".part", path)


if __name__ == "__main__":
    main()
