"""astropy's side of the bench of formats. Argument: an Arrow stream, the table. Each line of the input is `write FORMAT`, to write the table
in memory, or `read FORMAT PATH`; the answer is the number of bytes or rows. An empty line is answered by 0, once the table is there."""

import io
import sys

import numpy as np
import pyarrow
from astropy.table import Table

FORMATS = {
    "TABLEDATA": (io.BytesIO, {"format": "votable"}, {"tabledata_format": "tabledata"}),
    "BINARY2": (io.BytesIO, {"format": "votable"}, {"tabledata_format": "binary2"}),
    "CSV": (io.StringIO, {"format": "ascii.csv"}, {}),
    "ECSV": (io.StringIO, {"format": "ascii.ecsv"}, {}),
    "FITS": (io.BytesIO, {"format": "fits"}, {}),
}


def main():
    with pyarrow.ipc.open_stream(sys.argv[1]) as stream:
        columns = stream.read_all()
    table = Table({name: np.asarray(columns[name]) for name in columns.column_names})
    for line in sys.stdin:
        print(answer(table, line.split()), flush=True)


def answer(table, words):
    match words:
        case ["write", name]:
            make, form, options = FORMATS[name]
            out = make()
            table.write(out, **form, **options)
            return out.tell()
        case ["read", name, path]:
            return len(Table.read(path, **FORMATS[name][1]))
        case _:
            return 0


if __name__ == "__main__":
    main()
