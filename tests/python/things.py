"""Makes files with values of every type, and holds what an archive answers of them against the same values.

usage: things.py make FOLDER                    files of things and visits, in the layouts and types that files have for them
       things.py long FOLDER                    a table of 300 things with long arrays: k to 16,000 + k of the k-th, and 5,000 times k
       things.py bad FOLDER                     files with a fault each; prints their names and what is to be said of them
       things.py answers FOLDER                 answers `things.<extension>` to SELECT of all COLUMNS, ORDER BY source_id
"""

import csv
import datetime
import decimal
import io
import json
import math
import shutil
import subprocess
import sys
import uuid
import warnings
from pathlib import Path

import h5py
import numpy as np

NAN, INF = math.nan, math.inf
MOST64, MOST32, MOST16 = 2**63 - 1, 2**31 - 1, 2**15 - 1
F32 = lambda value: float(np.float32(value))
HUGE = "9" * 38
TINY = "0." + "9" * 38
NIL, KEY = "00000000-0000-0000-0000-000000000000", "e0b895ca-2ee4-4f0f-b595-cbd83be40b04"
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"

# One list per column: six things of a file with a group for each, then six of a table. In a table a field is there for all or for none.
COLUMNS = {
    "b": [7, -MOST64 - 1, MOST64, None, 0, -1] + [2**53 + 1, -MOST64 - 1, MOST64, 0, 1, 2],
    "i": [7, -MOST32 - 1, MOST32, None, 0, -1] + [7, -MOST32 - 1, MOST32, 0, 1, 2],
    "s": [7, -MOST16 - 1, MOST16, None, 0, -1] + [7, -MOST16 - 1, MOST16, 0, 1, 2],
    "d": [0.1, -1.7976931348623157e308, 5e-324, None, None, INF] + [0.1, -INF, 1e300, None, -0.0, 2.5],
    "r": [F32(0.1), -F32(3.4028235e38), 1e-45 and F32(1e-45), None, None, INF] + [F32(0.1), -INF, F32(1e30), None, -0.0, 2.5],
    "t": ["plain", "a, \"b\" <&>", "λ é", None, "", " x "] + ["plain", "", "quo'te", "λ", "tab\tbed", "z"],
    "f": [True, False, True, None, False, True] + [True, False, True, False, True, False],
    "made": [
        "2017-05-05T15:27:27.522425", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", None, None, "1969-12-31T23:59:59.5",
    ] + ["2017-05-05T15:27:27.522425", "1677-01-01T00:00:00", "2263-01-01T00:00:00", None, "1970-01-01T00:00:00", "1582-10-15T00:00:00"],
    "seen": ["2016-05-21", "0001-01-01", "9999-12-31", None, "1970-01-01", "1969-12-31"]
    + ["2016-05-21", "0001-01-01", "9999-12-31", None, "1900-02-28", "2000-02-29"],
    "key": [KEY, NIL, LAST, None, "01234567-89ab-cdef-0123-456789abcdef", KEY] + [KEY, NIL, LAST, None, LAST, NIL],
    "price": ["12.340", "-999999999.999", "999999999.999", None, "0.000", "-0.001"]
    + ["12.340", "-999999.999", "999999999.500", None, "0.000", "0.125"],
    "huge": ["12345678901234567890123", "-" + HUGE, HUGE, None, "0", "-1"] + ["7", str(-MOST64 - 1), str(MOST64), "0", "1", "-1"],
    "tiny": [TINY[:-3] + "345", "-" + TINY, TINY, None, "0." + "0" * 38, "-0." + "0" * 37 + "1"]
    + ["0.1" + "0" * 37, "-" + TINY, TINY, None, "0." + "0" * 38, "0." + "0" * 37 + "1"],
    "raw": [[0, 1, 255], [255], list(range(256)), None, [], [10]] + [[0, 1, 255], [255], [], [1, 2, 3, 4], [0], [7, 8]],
    "bs": [[1, -2], [-MOST64 - 1, MOST64], [0], None, [], [2**53 + 1]] + [[1], [], [-MOST64 - 1, MOST64, 0], [5], [6, 7], [8]],
    "is3": [[1, 2, 3], [-MOST32, 0, MOST32], [0, 0, 0], None, [4, 5, 6], [7, 8, 9]]
    + [[1, 2, 3], [-MOST32, 0, MOST32], [0, 0, 0], [4, 5, 6], [7, 8, 9], [-1, -2, -3]],
    "ss": [[1], [-MOST16 - 1, MOST16], [0] * 9, None, [], [3, 4]] + [[1, 2], [-MOST16 - 1, MOST16], [0, 0], [3, 4], [5, 6], [7, 8]],
    "ds": [[0.5, None], [INF, -INF, 5e-324], [-0.0], None, [], [1.0]] + [[0.5], [], [None, 1e300], [INF], [2.0, 3.0], [4.0]],
    "rs2": [[0.5, 1.5], [None, INF], [-0.0, F32(0.1)], None, [2.0, 3.0], [4.0, 5.0]]
    + [[0.5, 1.5], [None, INF], [-0.0, F32(0.1)], [1.0, 2.0], [2.0, 3.0], [4.0, 5.0]],
    "fs": [[True], [False, True, False], [True] * 9, None, [], [False]] + [[True, False]] * 3 + [[False, False]] * 3,
    "fs2": [[True, False], [False, False], [True, True], None, [True, False], [False, True]] + [[True, False]] * 3 + [[False, True]] * 3,
}
ROWS = 12
# In twelve places of the sky; the id's pixel (order 12, nested) and a number.
IDS = [(k * 16 * 2**20 + 12_345) << 35 | 128 for k in range(ROWS)]
VISITS = [(IDS[k % ROWS], k) for k in range(60)]
DAY = lambda text: (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days


def made_of(column, row, dtype):
    value = COLUMNS[column][row]
    if isinstance(value, list):
        return np.array([NAN if item is None else item for item in value], dtype=dtype)
    return np.array(NAN if value is None else value, dtype=dtype)


def object_file(path):
    """A group for each thing, which has datasets or attributes."""
    with h5py.File(path, "w") as file:
        for row in range(6):
            thing = file.create_group(f"ThingImpl_{row}")
            thing["sourceId"], thing["alpha"], thing["delta"] = IDS[row], 0.5 * row, 0.1 * row - 0.3
            has = lambda column: COLUMNS[column][row] is not None
            for column, name, dtype in [
                ("b", "big", "i8"), ("i", "int", ">i4"), ("s", "small", "i2"), ("f", "flag", "?"), ("bs", "bigs", "i8"),
                ("is3", "ints", "i4"), ("ss", "smalls", "i2"), ("ds", "doubles", "f8"), ("fs", "flags", "?"), ("fs2", "flagPair", "?"),
            ]:
                if has(column):
                    thing[name] = made_of(column, row, dtype)
            if row != 3:
                thing["double"], thing["real"] = made_of("d", row, "f8"), made_of("r", row, "f4")
            if has("t"):
                thing.attrs["text"] = COLUMNS["t"][row]
            if has("made"):
                thing.attrs["made"] = np.bytes_(COLUMNS["made"][row] + "Z")
            if has("seen"):
                thing["seen"] = np.int32(DAY(COLUMNS["seen"][row]))
            if has("key"):
                thing["key"] = np.void(uuid.UUID(COLUMNS["key"][row]).bytes)
            for column in ("price", "huge", "tiny"):
                if has(column):
                    thing[column] = COLUMNS[column][row]
            if has("raw"):
                bytes_of = bytes(COLUMNS["raw"][row])
                thing["raw"] = np.void(bytes_of) if row % 2 == 0 and bytes_of else np.frombuffer(bytes_of, dtype="u1")
            if has("rs2"):
                fit = np.zeros((), dtype=[("chi2", "f8"), ("reals", "f4", (2,))])
                fit["reals"] = made_of("rs2", row, "f4")
                thing["fit"] = fit


def sequences(group, name, dtype, values):
    column = group.create_dataset(name, (len(values),), dtype=h5py.vlen_dtype(np.dtype(dtype)))
    for row, value in enumerate(values):
        column[row] = np.array([NAN if item is None else item for item in value], dtype=dtype)


def table_file(path):
    """A table: a dataset for each field, some compressed."""
    rows = range(6, ROWS)
    of = lambda column: [COLUMNS[column][row] for row in rows]
    told = lambda column, dtype: np.array([value or "" for value in of(column)], dtype=dtype)
    with h5py.File(path, "w") as file:
        table = file.create_group("Thing")
        table["sourceId"] = np.array([IDS[row] for row in rows])
        table["alpha"], table["delta"] = np.array([0.5 * row for row in rows]), np.array([0.1 * row - 0.3 for row in rows])
        numbers = [("b", "big", "i8"), ("i", "int", "i4"), ("s", "small", ">i2"), ("f", "flag", "?"), ("is3", "ints", "i4"),
                   ("ss", "smalls", "i2"), ("d", "double", "f8"), ("r", "real", ">f4"), ("fs", "flags", "?")]
        for column, name, dtype in numbers:
            data = np.array([made_of(column, row, dtype) for row in rows])
            table.create_dataset(name, data=data, chunks=(4,) + data.shape[1:], compression="gzip")
        table.create_dataset("text", data=of("t"), dtype=h5py.string_dtype())
        table["made"], table["seen"], table["key"] = told("made", "S26"), told("seen", "S10"), told("key", "S36")
        table["price"] = np.array([NAN if value is None else float(value) for value in of("price")])
        table["huge"] = np.array([int(value) for value in of("huge")], dtype="i8")
        table["tiny"] = told("tiny", "S60")
        sequences(table, "raw", "u1", of("raw"))
        sequences(table, "bigs", "i8", of("bs"))
        sequences(table, "doubles", "f8", of("ds"))
        fit = np.zeros(len(rows), dtype=[("chi2", "f8"), ("reals", "f4", (2,))])
        fit["reals"] = [made_of("rs2", row, "f4") for row in rows]
        table["fit"] = fit
        # An array type of its own.
        pair = table.create_dataset("flagPair", (len(rows),), dtype=np.dtype(("?", (2,))))
        pair[...] = np.array(of("fs2"))


def visit_file(path):
    with h5py.File(path, "w") as file:
        table = file.create_group("Visit")
        table["sourceId"] = np.array([id for id, _ in VISITS])
        table["night"] = np.array([DAY("2014-07-25") + 30 * k for _, k in VISITS], dtype="i2")
        table["cost"] = np.array([f"{10**30 + k}.25" for _, k in VISITS], dtype="S40")
        table["key"] = np.array([np.frombuffer(uuid.UUID(int=k % 7).bytes, dtype="u1") for _, k in VISITS])


def make(folder):
    object_file(folder / "Thing_1_0001.h5")
    table_file(folder / "Thing_1_0002.h5")
    visit_file(folder / "Visit_1_0001.h5")


def long(folder):
    with h5py.File(folder / "Thing_9_0001.h5", "w") as file:
        table = file.create_group("Thing")
        table["sourceId"], table["alpha"], table["delta"] = np.arange(300), np.zeros(300), np.zeros(300)
        sequences(table, "doubles", "f8", [np.arange(k, 16_000 + k) for k in range(300)])
        table["smalls"] = np.repeat(np.arange(300, dtype="i2")[:, None], 5_000, axis=1)


def bad_table(path, name, data):
    """A table of three things whose field `name` is at fault."""
    with h5py.File(path, "w") as file:
        table = file.create_group("Thing")
        table["sourceId"], table["alpha"], table["delta"] = np.arange(3), np.zeros(3), np.zeros(3)
        if callable(data):
            data(table)
        else:
            if name in table:
                del table[name]
            table[name] = data


def bad(folder):
    vlen = lambda name, dtype, values: lambda table: sequences(table, name, dtype, values)
    for number, (name, data, words) in enumerate([
        ("seen", np.array(["2016-05-21", "2015-02-29", ""], dtype="S10"), 'row 1: "2015-02-29" is no date like 2016-05-21'),
        ("seen", np.array(["2016-05-21", "", "0000-01-01"], dtype="S10"), "row 2: \"0000-01-01\" is not of the years 1 to 9999"),
        ("seen", np.array([0, 1, 3_000_000]), "row 2: day 3000000 since 1970 is not of the years 1 to 9999"),
        ("seen", np.array([0.0, 1.0, 2.0]), "it is float64, which is not a date"),
        ("made", np.array(["yesterday", "", ""], dtype="S10"), 'row 0: "yesterday" is no ISO 8601 time'),
        ("made", np.array(["2016-05-21T00:00:00"] * 2 + ["-0001-01-01T00:00:00"], dtype="S20"), "row 2: \"-0001-01-01T00:00:00\" is not of"),
        ("key", np.array([KEY, "e0b895ca", KEY], dtype="S36"), 'row 1: "e0b895ca" is no UUID'),
        ("key", np.array([b"0123456789"] * 3, dtype="V10"), "row 0: it has 10 bytes where 16 bytes are expected"),
        ("key", np.zeros((3, 15), dtype="u1"), "row 0: it has 15 bytes where 16 bytes are expected"),
        ("price", np.array(["1.5", "1.2345", ""], dtype="S10"), 'row 1: "1.2345" has more than 3 digits behind the point'),
        ("price", np.array([1.5, NAN, 1e9]), 'row 2: "1000000000" has more than 9 digits before the point'),
        ("price", np.array([0.1, 0.0001, 0.1], dtype="f4"), 'row 1: "0.0001" has more than 3 digits behind the point'),
        ("price", np.array([INF, 0.1, 0.1]), 'row 0: "inf" is no decimal number'),
        ("price", np.array([10**9, 0, 0]), 'row 0: "1000000000" has more than 9 digits before the point'),
        ("tiny", np.array(["0.1", "1", "0"], dtype="S10"), 'row 1: "1" has more than 0 digits before the point'),
        ("huge", np.array(["1", "1e38", "0"], dtype="S10"), 'row 1: "1e38" has more than 38 digits before the point'),
        ("small", np.array([1, 2, 40_000]), "row 2: 40000 does not fit a 16-bit integer"),
        ("big", np.array([1, 2, 2**63], dtype="u8"), "9223372036854775808 does not fit a signed 64-bit integer"),
        ("raw", np.array([[1, 2], [3, 4], [5, 6]], dtype="i2"), "it is int16, which is not bytes"),
        ("ints", np.zeros((3, 2), dtype="i4"), "row 0: it has 2 elements where 3 elements are expected"),
        ("ints", vlen("ints", "i4", [[1, 2, 3], [4, 5, 6], [7, 8]]), "row 2: it has 2 elements where 3 elements are expected"),
        ("smalls", vlen("smalls", "i4", [[1], [2, 3], [4, 70_000]]), "row 2: 70000 does not fit a 16-bit integer"),
        ("int", np.zeros((3, 2), dtype="i4"), "row 0: it has 2 elements where a single value is expected"),
        ("flags", np.zeros(3, dtype="u1"), "it is uint8, which is not a truth value"),
        ("fit", np.zeros(3, dtype=[("chi2", "f8")]), "it is compound without a member reals"),
        ("fit", np.zeros(3), "it is float64 without a member reals"),
        ("alpha", np.array([0.1, NAN, 0.2]), "row 1: it has no value (NaN, or an empty text), where one is required"),
    ]):
        path = folder / f"Thing_{number}_0001.h5"
        bad_table(path, name, data)
        field = "fit.reals" if name == "fit" else name
        print(f"{path.name}\t/Thing/{field}{',' if words.startswith('row') else ':'} {words}")


def same(found, expected):
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        return found == expected and math.copysign(1, found) == math.copysign(1, expected)
    return type(found) is type(expected) and found == expected


def check(where, columns, fold=lambda name, value: value):
    """Compares columns with the values after `fold` says what a format makes of them."""
    assert list(columns) == list(COLUMNS), (where, list(columns))
    for name, values in COLUMNS.items():
        assert len(columns[name]) == ROWS, (where, name, columns[name])
        for row, (found, value) in enumerate(zip(columns[name], values)):
            wanted = fold(name, value)
            assert same(found, wanted), f"{where}: {name}[{row}] is {found!r}, should be {wanted!r}"


TEXT = {"t", "made", "seen", "key", "price", "huge", "tiny"}
LISTS = {"raw", "bs", "ss", "ds", "fs"}
FIXED = {"is3": 3, "rs2": 2, "fs2": 2}
FLOATS = {"d", "r", "ds", "rs2"}


def plain(value):
    """A numpy or masked value as Python's own; masked becomes None."""
    if value is np.ma.masked:
        return None
    if isinstance(value, (np.ndarray, np.ma.MaskedArray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.decode() if isinstance(value, bytes) else value


def no_nulls(name, value):
    """Of what VOTable and FITS have no null for: texts, and arrays of any length; one of fixed length has null elements."""
    if name in TEXT:
        return value or ""
    if name in LISTS:
        return value or []
    return [None] * FIXED[name] if name in FIXED and value is None else value


def votables(folder):
    from astropy.io.votable import parse

    for name in ("things.vot", "things_b2.vot"):
        table = parse(folder / name, verify="exception").resources[0].tables[0]
        columns = {field.name: [plain(value) for value in table.array[field.ID]] for field in table.fields}
        # astropy strips the cells of TABLEDATA.
        strip = lambda column, value: value.strip(" ") if column == "t" else value
        columns["t"] = [strip("t", value) for value in columns["t"]]
        check(name, columns, lambda column, value: strip(column, no_nulls(column, value)))
        fields = {field.name: (field.datatype, field.arraysize, field.xtype) for field in table.fields}
        for column, expected in {
            "seen": ("char", "*", "timestamp"), "made": ("char", "*", "timestamp"),
            "key": ("unicodeChar" if name == "things_b2.vot" else "char", "*", "uuid"),
            "price": ("char", "*", None), "raw": ("unsignedByte", "*", None), "ds": ("double", "*", None),
            "is3": ("int", "3", None), "fs2": ("boolean", "2", None), "rs2": ("float", "2", None), "bs": ("long", "*", None),
        }.items():
            assert fields[column] == expected, (name, column, fields[column])
        if shutil.which("stilts"):
            said = subprocess.run(["stilts", "votlint", f"votable={folder / name}"], capture_output=True, text=True)
            # One of before DALI 1.2 knows no UUIDs.
            told = [line for line in (said.stdout + said.stderr).splitlines() if 'xtype value "uuid"' not in line]
            assert not "".join(told).strip(), f"votlint {name}: {told}"
        price = next(field for field in table.fields if field.name == "price")
        assert str(price.unit) == "mag" and price.description == "To the thousandth"


def fits(folder):
    from astropy.table import Table

    table = Table.read(folder / "things.fits", format="fits", character_as_bytes=False)
    columns = {name: [plain(value) for value in table[name]] for name in table.colnames}

    def fold(name, value):
        if name == "t":
            return "".join(c if " " <= c <= "~" else "?" for c in value or "").rstrip(" ")
        if name == "f":
            return bool(value)
        if name == "fs2" and value is None:
            return [False, False]
        return no_nulls(name, value)

    columns["t"] = [value.rstrip(" ") for value in columns["t"]]
    check("fits", columns, fold)


def from_arrow(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat().rstrip("0") if value.microsecond else value.isoformat()
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return value.isoformat() if isinstance(value, datetime.date) else f"{value:f}"
    return list(value) if isinstance(value, bytes) else value


def arrow(folder):
    import pyarrow
    import pyarrow.ipc
    import pyarrow.parquet

    stream = pyarrow.ipc.open_stream((folder / "things.arrows").read_bytes()).read_all()
    for where, table in [("arrow", stream), ("parquet", pyarrow.parquet.read_table(folder / "things.parquet"))]:
        check(where, {name: [from_arrow(value) for value in table[name].to_pylist()] for name in table.column_names})
        types = {name: str(table.schema.field(name).type) for name in table.column_names}
        assert types["price"] == "decimal128(12, 3)" and types["seen"].startswith("date32") and types["key"] == "string", types
        assert types["raw"] == "binary" and types["is3"].startswith("fixed_size_list<") and types["bs"].startswith("list<"), types


def json_document(folder):
    refuse = lambda constant: (_ for _ in ()).throw(AssertionError(constant))
    document = json.loads((folder / "things.json").read_text(), parse_constant=refuse)
    names = [column["name"] for column in document["metadata"]]
    assert document["status"] == "OK"

    def fold(name, value):
        if isinstance(value, list):
            return [fold(name, item) for item in value]
        if name in ("b", "bs") and value is not None:
            return str(value)
        if isinstance(value, float) and not math.isfinite(value):
            return "Infinity" if value > 0 else "-Infinity"
        # A single is written with the digits that identify a single.
        return json.loads(str(np.float32(value))) if name in ("r", "rs2") and value is not None else value

    check("json", dict(zip(names, map(list, zip(*document["data"])))), fold)


def delimited(folder):
    def value(name, text):
        if name in TEXT or text == "":
            return text if name in TEXT else None
        if name == "f":
            return {"true": True, "false": False}[text]
        if text[0] == "[":
            found = json.loads(text)
            return [F32(item) if item is not None else None for item in found] if name == "rs2" else found
        if name in FLOATS:
            return F32(text) if name == "r" else float(text)
        return int(text)

    for where, options, fold in [
        ("csv", {"strict": True}, lambda text: text),
        ("tsv", {"delimiter": "\t", "quoting": csv.QUOTE_NONE}, lambda text: text.replace("\t", " ")),
    ]:
        rows = list(csv.reader(io.StringIO((folder / f"things.{where}").read_text()), **options))
        columns = {name: [value(name, text) for text in column] for name, *column in zip(*rows)}
        check(where, columns, lambda name, value: fold(value or "") if name in TEXT else value)


def text(folder):
    lines = (folder / "things.txt").read_text().splitlines()
    names = [name.strip() for name in lines[0].split(" | ")]
    assert names == list(COLUMNS) and lines[-1] == f"({ROWS} rows)", lines[0]
    for row, line in enumerate(lines[2:-1]):
        # No value of these has a bar in it.
        cells = dict(zip(names, (cell.strip() for cell in line.split(" | "))))
        for name in TEXT - {"t"}:
            assert cells[name] == (COLUMNS[name][row] or ""), (name, row, cells[name])
        assert cells["raw"] == ("" if COLUMNS["raw"][row] is None else str(COLUMNS["raw"][row])), cells["raw"]


def answers(folder):
    warnings.simplefilter("ignore")
    for judge in (arrow, json_document, delimited, text, votables, fits):
        judge(folder)
    print("every type is the same in every format")


{"make": make, "long": long, "bad": bad, "answers": answers}[sys.argv[1]](Path(sys.argv[2]))
