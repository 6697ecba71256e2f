"""A table with nulls, extremes, arrays and non-ASCII text, as astropy writes it in each format: write_tables.py FOLDER."""

import pathlib
import sys
import warnings

import numpy as np
from astropy import units
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table

folder = pathlib.Path(sys.argv[1])
warnings.simplefilter("ignore")
masks = [False, False, True, False]
table = Table(
    [
        [1, 2, 3, 4],
        MaskedColumn([3425114617586286848, 2**63 - 1, 0, -(2**63) + 1], mask=masks, dtype="i8"),
        MaskedColumn([-32767, 32767, 0, 7], mask=masks, dtype="i2"),
        MaskedColumn([0.1, -np.inf, 0, 1e300], mask=masks, unit=units.deg, description="a \"right\" <ascension>"),
        MaskedColumn([0.1, -0.0, 0, 3.4e38], mask=masks, dtype="f4"),
        np.array([True, False, True, False]),
        MaskedColumn(["a&<b>]]>", "x, \"y\"", "", "é λ 🪐"], mask=masks),
        np.array([[1.5, 2.5], [0.0, -1.0], [np.inf, 4.0], [1e-300, 5.0]]),
        np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, 2**31 - 1, -(2**31) + 1]], dtype="i4"),
    ],
    names=["n", "id", "small", "ra", "mag", "flag", "name", "pair", "counts"],
)
for serialization in ["tabledata", "binary", "binary2"]:
    document = from_table(table)
    document.get_first_table().format = serialization
    for field in document.get_first_table().fields:
        if field.name in ("id", "small"):
            field.values.null = -99
    writeto(document, str(folder / f"{serialization}.vot"))
plain = table.copy()
plain["name"] = [text.encode("ascii", "replace").decode() for text in table["name"].filled("")]
plain.write(folder / "table.fits")
table.write(folder / "table.ecsv", format="ascii.ecsv")
table.write(folder / "commas.ecsv", format="ascii.ecsv", delimiter=",")
