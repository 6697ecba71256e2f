"""astropy's side of the bench of serialisers. Argument: an Arrow stream. For each line of the input, the name of a format, it writes
the table in memory and answers with how many bytes that were; the empty line asks for nothing and tells that the table is read."""

import io
import sys

import numpy as np
import pyarrow
from astropy.table import Table

WRITERS = {
    "TABLEDATA": (io.BytesIO, {"format": "votable", "tabledata_format": "tabledata"}),
    "BINARY2": (io.BytesIO, {"format": "votable", "tabledata_format": "binary2"}),
    "CSV": (io.StringIO, {"format": "ascii.csv"}),
    "FITS": (io.BytesIO, {"format": "fits"}),
}


def main():
    with pyarrow.ipc.open_stream(sys.argv[1]) as stream:
        columns = stream.read_all()
    table = Table({name: np.asarray(columns[name]) for name in columns.column_names})
    for line in sys.stdin:
        size = 0
        if line.strip():
            make, options = WRITERS[line.strip()]
            out = make()
            table.write(out, **options)
            size = out.tell()
        print(size, flush=True)


if __name__ == "__main__":
    main()
