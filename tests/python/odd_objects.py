"""Makes files whose objects have all that objects may have: texts, arrays of different lengths, groups within groups, compounds,
enumerations, variable-length data, chunks, members that only some have, and types that differ between files.

usage: odd_objects.py FOLDER
"""

import sys
from pathlib import Path

import h5py
import numpy as np


def main():
    random = np.random.default_rng(1)
    folder = Path(sys.argv[1])
    for number, mag in enumerate(("i2", "i4")):
        with h5py.File(folder / f"odd_{number}.h5", "w", libver=("earliest", "latest")[number]) as file:
            for place in range(50):
                star = file.create_group(f"star_{number}_{place}")
                star.attrs["source_id"] = np.int64(1000 * number + place)
                star.attrs["name"] = f"Star {place}"
                star.attrs["alpha"] = "a dataset has this name too"
                star["alpha"] = random.random()
                star["alpha"].attrs["unit"] = "rad"
                star["alpha"].attrs["serial"] = place
                length = int(random.integers(0, 6))
                star["times"] = random.random(length)
                star["text"] = ["x" * k for k in range(3)]
                star["mag"] = np.array(random.integers(-100, 100), dtype=mag)
                star["code"] = np.bytes_("a" * (number + 2))
                star["pair"] = np.array((place, 0.5), dtype=[("n", "u2"), ("x", ">f8")])
                kind = h5py.enum_dtype({"STAR": 0, "GALAXY": 1}, basetype="u1")
                star.create_dataset("kind", data=place % 2, dtype=kind)
                inner = star.create_group("fit/inner")
                inner["matrix"] = random.random((2, 2)).astype("f4")
                if place % 7 == 0:
                    star["extra"] = np.arange(3)
                if place % 10 == 3 and length:
                    big = np.arange(length * 100).reshape(length * 10, 10) + place
                    star.create_dataset("big", data=big, chunks=(5, 10), compression="gzip", shuffle=True)
                lists = star.create_dataset("lists", (2,), dtype=h5py.vlen_dtype(np.int32))
                lists[0], lists[1] = np.arange(place % 4), [7]


if __name__ == "__main__":
    main()
