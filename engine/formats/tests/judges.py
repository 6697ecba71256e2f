"""Reads every file that judges.rs wrote and compares it with the sample's values, given here a second time by hand."""

import csv
import datetime
import decimal
import html.parser
import io
import json
import math
import pathlib
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pyarrow.ipc
import pyarrow.parquet
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table

NAN, INF = math.nan, math.inf
LEAST, MOST = -(2**63), 2**63 - 1
# What stands for null in BINARY; the sample has the next value there.
LEAST_OF = {"source_id": LEAST, "small": -32768, "middle": -(2**31)}
F32 = lambda value: float(np.float32(value))

SAMPLE = {
    "source_id": [3425114617586286848, LEAST, MOST, None, -1],
    "alpha": [0.1, NAN, INF, None, -1.5e300],
    "mag": [F32(0.1), -INF, None, float(np.finfo(np.float32).max), -0.0],
    "small": [-32768, 32767, None, 0, -1],
    "middle": [None, -(2**31), 2**31 - 1, 0, -1],
    "byte": [0, 255, None, 7, 128],
    "unsigned": [0, MOST, None, 1, 2],
    "flag": [True, False, None, True, False],
    "name": ["a]]>b &<>\"' c", "", None, 'bell\a, "q"\r\nline\ttab', "é λ 🪐"],
    "view": ["short", None, "longer than twelve bytes", "", "x"],
    "class": ["STAR", None, "QSO", "STAR", "QSO"],
    "transit_time": [
        "2017-05-05T15:27:27.522425", "1970-01-01T00:00:00", None, "1969-12-31T23:59:59.999999", "2017-05-05T15:27:27",
    ],
    "day": ["2017-05-05", None, "1970-01-01", "1969-12-31", "2017-05-05"],
    "amount": ["123.45", "-0.05", "123456789012345678.90", None, "0.00"],
    "ac_win_coord": [[6008, 10765, 7849], None, [1, None, 2**31 - 1], [0, 0, 0], [None, None, -1]],
    "pair": [[1.0, 2.5], None, [None, INF], [0.0, 0.0], [NAN, 1.0]],
    "ids": [[3425114617586286848, MOST], [], None, [1, None], [-1]],
    "bits": [[0, 255], None, [], [None], [1]],
    "blob": [[0, 1, 255], [], None, [10], [97, 98, 99]],
    "nothing": [None] * 5,
}
DESCRIPTION = "Gaia's <id> & \"more\" λ, unique in a release; bits: level 12 'HEALPix' '''' pixel, centre, number"
VOTABLES = [("votable", "tabledata"), ("votable_b", "binary"), ("votable_b2", "binary2")]
TEXT = {"name", "view", "class", "transit_time", "day", "amount", "nothing"}
FLOATS = {"alpha", "mag", "pair"}
FIXED = {"ac_win_coord": 3, "pair": 2}
LISTS = {"ids", "bits", "blob"}


def same(found, expected):
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        if math.isnan(expected):
            return math.isnan(found)
        return found == expected and math.copysign(1, found) == math.copysign(1, expected)
    return type(found) is type(expected) and found == expected


def check(where, columns, fold):
    """Compares columns with the sample after `fold(name, value)` says what a format makes of a value."""
    assert list(columns) == list(SAMPLE), (where, list(columns))
    for name, expected in SAMPLE.items():
        expected = [fold(name, value) for value in expected]
        assert len(columns[name]) == len(expected), (where, name, columns[name])
        for row, (found, wanted) in enumerate(zip(columns[name], expected)):
            assert same(found, wanted), f"{where}: {name}[{row}] is {found!r}, should be {wanted!r}"


def plain(value):
    """A numpy or masked value as Python's own; masked becomes None."""
    if value is np.ma.masked:
        return None
    if isinstance(value, (np.ndarray, np.ma.MaskedArray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, bytes):
        return value.decode()
    return value


def fold_votable(serialization):
    def fold(name, value):
        if name in FIXED and value is None:
            value = [None] * FIXED[name]
        if name in LISTS and value is None:
            return []
        if name in TEXT:
            if value is None:
                return ""
            return value.replace("\a", "\ufffd") if serialization == "tabledata" else value
        if serialization == "binary" and value is not None and value == LEAST_OF.get(name):
            return value + 1
        if name in FLOATS:
            # In VOTable a NaN is a null.
            missing = lambda number: None if number is None or math.isnan(number) else number
            return [missing(number) for number in value] if isinstance(value, list) else missing(value)
        return value

    return fold


def votable(path, serialization):
    document = parse(path, verify="exception")
    table = document.resources[0].tables[0]
    rows = table.array
    columns = {field.name: [plain(value) for value in rows[field.ID]] for field in table.fields}
    for name in FLOATS:
        nan = lambda number: None if number is None or math.isnan(number) else number
        columns[name] = [[nan(x) for x in v] if isinstance(v, list) else nan(v) for v in columns[name]]
    return document, columns


def check_votables(folder):
    for kind, serialization in VOTABLES:
        for status, last in [("ok", None), ("overflow", "OVERFLOW"), ("failed", "ERROR")]:
            path = folder / f"{status}_{kind}.vot"
            document, columns = votable(path, serialization)
            check(path.name, columns, fold_votable(serialization))
            results = document.resources[0]
            infos = [(info.name, info.value) for info in results.infos]
            assert infos[0] == ("QUERY_STATUS", "OK") and infos[2] == ("standardID", "ivo://ivoa.net/std/TAP"), infos
            assert infos[1][1].endswith('completesource -- "all" & <everything> λ') and "\n" in infos[1][1], infos
            assert [value for name, value in infos[3:]] == ([last] if last else []), infos
            check_metadata(results.tables[0].fields)
            check_service(document)
        table = Table.read(folder / f"empty_{kind}.vot", format="votable")
        assert len(table) == 0 and table.colnames == list(SAMPLE)
    error = parse(folder / "error.vot").resources[0].infos[0]
    assert error.value == "ERROR" and error.content == 'column "paralax" not found: a < b & c ]]>', error.content


def check_metadata(fields):
    by_name = {field.name: field for field in fields}
    assert by_name["source_id"].ucd == "meta.id;meta.main" and by_name["source_id"].datatype == "long"
    assert by_name["source_id"].description == DESCRIPTION
    assert str(by_name["alpha"].unit) == "rad" and by_name["alpha"].utype == "a:b.c"
    assert by_name["transit_time"].xtype == "timestamp" and by_name["ac_win_coord"].arraysize == "3"


def check_service(document):
    (service,) = document.resources[1:]
    assert (service.type, service.utype, service.ID) == ("meta", "adhoc:service", "links")
    params = {param.name: param.value for param in service.params}
    assert params["accessURL"] == "http://localhost/datalink/links?a=1&b=2", params
    inputs = {param.name: param for param in service.groups[0].entries}
    assert inputs["ID"].ref == "source_id" and inputs["RESPONSEFORMAT"].value == "votable"


def votlint(folder):
    if not shutil.which("stilts"):
        print("skipped: stilts is not installed")
        return
    for path in sorted(folder.glob("*.vot")):
        said = subprocess.run(["stilts", "votlint", f"votable={path}"], capture_output=True, text=True)
        assert not (said.stdout + said.stderr).strip(), f"votlint {path.name}: {said.stdout}{said.stderr}"
    for kind, serialization in VOTABLES:
        path = folder / f"ok_{kind}.vot"
        read = ["stilts", "tpipe", f"in={path}", "ifmt=votable", "cmd=keepcols 'source_id alpha name'", "ofmt=csv", "out=-"]
        said = subprocess.run(read, capture_output=True, text=True, check=True)
        rows = list(csv.reader(io.StringIO(said.stdout)))
        ids = [fold_votable(serialization)("source_id", value) for value in SAMPLE["source_id"]]
        assert [row[0] for row in rows[1:]] == ["" if value is None else str(value) for value in ids], (kind, rows)
        assert rows[1][2] == SAMPLE["name"][0] and rows[5][2] == SAMPLE["name"][4], rows
    read = ["stilts", "tpipe", f"in={folder}/ok_fits.fits", "ifmt=fits", "cmd=keepcols 'source_id ids'", "ofmt=csv", "out=-"]
    rows = list(csv.reader(io.StringIO(subprocess.run(read, capture_output=True, text=True, check=True).stdout)))
    assert rows[1][:1] == ["3425114617586286848"] and "3425114617586286848" in rows[1][1], rows
    assert rows[4][0] == "" and rows[2][0] == str(LEAST), rows


def check_fits(folder):
    for status in ["ok", "overflow"]:
        path = folder / f"{status}_fits.fits"
        with fits.open(path) as hdus:
            hdus.verify("exception")
            header = hdus[1].header
            comment = "".join(f"{line:<72}" for line in header["COMMENT"])
            assert header["QSTATUS"] == status.upper() and "QUERY: SELECT" in comment
            assert header["TUNIT2"] == "rad" and header["TUCD1"] == "meta.id;meta.main", repr(header)
            assert header["TCOMM1"] == DESCRIPTION.replace("λ", "?"), header["TCOMM1"]
            assert "characters are not printable" in comment
            assert f"null elements in the arrays of TTYPE17 are written as {LEAST}" in comment
        table = Table.read(path, format="fits", character_as_bytes=False)
        columns = {name: [plain(value) for value in table[name]] for name in table.colnames}
        for name in FLOATS:
            columns[name] = [
                [None if x is None or math.isnan(x) else x for x in v] if isinstance(v, list) else v for v in columns[name]
            ]
        check(path.name, columns, fold_fits)
    assert len(Table.read(folder / "empty_fits.fits")) == 0


def fold_fits(name, value):
    if name in TEXT:
        return "".join(c if " " <= c <= "~" else "?" for c in value or "")
    if name == "flag":
        return bool(value)
    if name in LISTS:
        # In the heap a null element is the value that a COMMENT names.
        least = {"ids": LEAST, "bits": -32768}.get(name)
        return [least if item is None else item for item in value or []]
    return fold_votable("fits")(name, value)


def check_arrow(folder):
    whole = lambda name, value: value
    tables = [(path, pyarrow.ipc.open_stream(path.read_bytes()).read_all()) for path in sorted(folder.glob("ok_arrow*"))]
    tables += [(path, pyarrow.parquet.read_table(path)) for path in sorted(folder.glob("o*_parquet*"))]
    assert len(tables) == 3
    for path, table in tables:
        assert table.schema.field("alpha").metadata[b"unit"] == b"rad", table.schema
        check(path.name, {name: [from_arrow(v) for v in table[name].to_pylist()] for name in table.column_names}, whole)
    for status, last in [("ok", []), ("overflow", ["OVERFLOW"])]:
        metadata = pyarrow.parquet.ParquetFile(folder / f"{status}_parquet.parquet").metadata.metadata
        assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
        document = parse(io.BytesIO(metadata[b"IVOA.VOTable-Parquet.content"]), verify="exception")
        assert [info.value for info in document.resources[0].infos][3:] == last
        check_metadata(document.resources[0].tables[0].fields)
    assert pyarrow.parquet.read_table(folder / "empty_parquet.parquet").num_rows == 0
    assert pyarrow.ipc.open_stream((folder / "empty_arrow.arrows").read_bytes()).read_all().num_rows == 0


def from_arrow(value):
    if isinstance(value, datetime.datetime):
        text = value.replace(tzinfo=None).isoformat()
        return text.rstrip("0") if "." in text else text
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    return list(value) if isinstance(value, bytes) else value


def check_json(folder):
    def fold(name, value):
        if isinstance(value, list):
            return [fold(name, item) for item in value]
        if name in ("source_id", "unsigned", "ids") and value is not None:
            return str(value)
        if isinstance(value, float) and not math.isfinite(value):
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
        # A single is written with the digits that identify a single.
        return json.loads(str(np.float32(value))) if name == "mag" and value is not None else value

    refuse = lambda constant: (_ for _ in ()).throw(AssertionError(constant))
    for status in ["ok", "overflow", "failed"]:
        document = json.loads((folder / f"{status}_json.json").read_text(), parse_constant=refuse)
        names = [column["name"] for column in document["metadata"]]
        check("json", dict(zip(names, map(list, zip(*document["data"])))), fold)
        assert document["status"] == {"ok": "OK", "overflow": "OVERFLOW", "failed": "ERROR"}[status]
    assert document["message"] == "node n2 <lost> & gone"
    assert json.loads((folder / "empty_json.json").read_text())["data"] == []


def check_csv(folder):
    def read(path, **options):
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.reader(file, **options))

    def value(name, text):
        if name in TEXT:
            return text
        if text == "":
            return None
        if name == "flag":
            return {"true": True, "false": False}[text]
        if name == "mag":
            return F32(text)
        return json.loads(text) if text[0] == "[" or name not in FLOATS else float(text)

    csv_fold = lambda name, value: value or "" if name in TEXT else value
    tsv_fold = lambda name, value: (value or "").translate({9: 32, 10: 32, 13: 32}) if name in TEXT else value
    rows = read(folder / "ok_csv.csv", strict=True)
    headerless = read(folder / "ok_headerless.csv", strict=True)
    assert rows[1:] == headerless
    tsv = read(folder / "ok_tsv.tsv", delimiter="\t", quoting=csv.QUOTE_NONE)
    for where, rows, fold in [("csv", rows, csv_fold), ("tsv", tsv, tsv_fold)]:
        columns = {name: [value(name, text) for text in column] for name, *column in zip(*rows)}
        check(where, columns, fold)


def check_ecsv(folder):
    def fold(name, value):
        if name in TEXT:
            # Line breaks are spaces; a null and an empty text are the same.
            return value.translate({13: 32, 10: 32}) if value else None
        if name in FIXED and value is None:
            return [None] * FIXED[name]
        return [] if name in LISTS and value is None else value

    for status in ["ok", "overflow"]:
        for reader in ["ascii.ecsv", "ecsv"]:
            path = folder / f"{status}_ecsv.ecsv"
            table = Table.read(path, format=reader)
            check(f"{path.name} by {reader}", {name: [plain(v) for v in table[name]] for name in table.colnames}, fold)
            assert str(table["alpha"].unit) == "rad" and table["source_id"].description == DESCRIPTION
            assert table["alpha"].meta == {"ucd": "pos.eq.ra", "utype": "a:b.c"}, table["alpha"].meta
            assert table["transit_time"].meta["xtype"] == "timestamp" and table["mag"].dtype == np.float32
            assert table.meta["standardID"] == "ivo://ivoa.net/std/TAP"
            assert table.meta["QUERY"].endswith('completesource -- "all" & <everything> λ'), table.meta
    # astropy reads no table with arrays of declared size that has no rows, its own neither.
    assert (folder / "empty_ecsv.ecsv").read_text().splitlines()[-1] == ",".join(SAMPLE)


class Page(html.parser.HTMLParser):
    """Heads with their tooltips, cells with what is in them, and the last paragraph."""

    def __init__(self, text):
        super().__init__()
        self.heads, self.rows, self.status, self.place = [], [], ("", ""), None
        self.open = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag != "meta":
            self.open.append(tag)
        if tag == "th":
            self.heads.append(["", attributes["title"]])
        elif tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append(["", attributes.get("class")])
        elif tag == "p":
            self.status = (attributes["class"], "")
        assert tag not in ("script", "img", "iframe") and not any(name.startswith("on") for name in attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        place = [tag for tag in self.open if tag in ("th", "td", "p", "span", "a")]
        if place == ["th"]:
            self.heads[-1][0] += data
        elif place in (["td"], ["td", "a"]):
            self.rows[-1][-1][0] += data
        elif place == ["p"]:
            self.status = (self.status[0], self.status[1] + data)


def check_html(folder):
    for status, words in [("ok", "5 rows"), ("overflow", "there are more"), ("failed", "node n2 <lost> & gone")]:
        page = Page((folder / f"{status}_html.html").read_bytes().decode())
        assert [name for name, title in page.heads] == list(SAMPLE)
        titles = {name: title for name, title in page.heads}
        assert titles["source_id"].split("\n")[0] == DESCRIPTION and "UCD: meta.id;meta.main" in titles["source_id"]
        assert "unit: rad" in titles["alpha"]
        rows = page.rows[1:]
        assert [row[0] for row in rows] == [["" if v is None else str(v), "n"] for v in SAMPLE["source_id"]], rows
        texts = [(value or "").replace("\a", "\ufffd") for value in SAMPLE["name"]]
        assert [row[8] for row in rows] == [[text, None] for text in texts], [row[8] for row in rows]
        assert page.status[0] == {"failed": "error"}.get(status, status) and words in page.status[1], page.status


def main(folder):
    warnings.simplefilter("ignore")
    check_votables(folder)
    check_fits(folder)
    check_arrow(folder)
    check_json(folder)
    check_csv(folder)
    check_ecsv(folder)
    check_html(folder)
    votlint(folder)
    print("astropy, pyarrow, json, csv and stilts agree")


main(pathlib.Path(sys.argv[1]))
