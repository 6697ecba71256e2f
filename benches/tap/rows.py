"""Whether two answers are the same rows."""

import io

import numpy as np
from astropy.io.votable import parse_single_table


def of(votable):
    """The columns of a VOTable, its rows in the order of source_id; what is null is NaN."""
    table = parse_single_table(io.BytesIO(votable)).array
    table = table[np.argsort(table["source_id"])]
    return {name: np.ma.filled(table[name], np.nan if table[name].dtype.kind == "f" else 0) for name in table.dtype.names}


def compare(what, ours, theirs):
    """Ends the bench unless both answers have the same columns and values, to the last bit. Returns how many rows they have."""
    ours, theirs = of(ours), of(theirs)
    if list(ours) != list(theirs):
        raise SystemExit(f"{what}: columns {list(ours)} and {list(theirs)}")
    for name, column in ours.items():
        if len(column) != len(theirs[name]):
            raise SystemExit(f"{what}: {len(column)} rows and {len(theirs[name])}")
        if not np.array_equal(column, theirs[name], equal_nan=column.dtype.kind == "f"):
            raise SystemExit(f"{what}: values of {name} differ")
    return len(ours["source_id"])
