"""Tables that users keep, as pyvo makes, loads, indexes and drops them, and by plain HTTP.

usage: user_tables.py youcat|formats|owners|bounds|cut BASE_URL TOKEN [OTHER_TOKEN [FLIGHT_URL]]
"""

import csv
import io
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pyvo
import requests
from astropy.io.votable import from_table
from astropy.table import Table
from pyvo.utils import activate_features

PART, BASE_URL, *TOKENS = sys.argv[1:]
TABLES, LOAD = f"{BASE_URL}/tap/tables", f"{BASE_URL}/tap/load"
activate_features("cadc-tb-upload")


def known(token):
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


ada = known(TOKENS[0])
service = pyvo.dal.TAPService(f"{BASE_URL}/tap", session=ada)


def rows(adql, session=ada):
    """All cells of an answer, as texts."""
    form = {"LANG": "ADQL", "FORMAT": "csv", "QUERY": adql}
    answer = session.post(f"{BASE_URL}/tap/sync", data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return list(csv.reader(answer.text.splitlines()))[1:]


def refused(code, words, answer):
    assert answer.status_code == code and words in answer.text, (answer.status_code, answer.text)


def made(answer, code=201):
    assert answer.status_code == code, (answer.status_code, answer.text)
    return answer


def description(*columns):
    """A table element of VOSI; columns are (name, datatype, what else the dataType element has)."""
    column = "<column><name>%s</name><unit>deg</unit><ucd>meta.note</ucd><dataType xsi:type='vs:VOTableType' %s>%s</dataType></column>"
    columns = "".join(column % (name, rest, datatype) for name, datatype, rest in columns)
    return f"""<?xml version='1.0'?><vosi:table xmlns:vosi='http://www.ivoa.net/xml/VOSITables/v1.0'
        xmlns:vs='http://www.ivoa.net/xml/VODataService/v1.1' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' type='output'>
        <name>any</name><description>My stars</description>{columns}</vosi:table>""".encode()


def votable(table):
    document = io.BytesIO()
    from_table(table).to_xml(document)
    return document.getvalue()


def ipc(table):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table, **options):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, **options)
    return sink.getvalue()


if PART == "youcat":
    columns = ("id", "long", ""), ("seen", "char", "arraysize='*' extendedType='timestamp'"), ("mag", "double", "")
    service.create_table("user_ada.stars", io.BytesIO(description(*columns)))
    service.load_table("user_ada.stars", io.BytesIO(b"id\tseen\tmag\n5\t2026-11-28T01:02:03\t1.5\n6\t\tnan\n"))
    service.load_table("user_ada.stars", io.BytesIO(b"MAG,id\n3,7\n"), format="csv")
    fits = io.BytesIO()
    Table({"ID": np.array([8, 9], dtype="i4")}).write(fits, format="fits")
    fits.seek(0)
    service.load_table("stars", fits, format="FITSTable")
    answer = service.run_sync("SELECT * FROM user_ada.stars ORDER BY id")
    assert list(answer["id"]) == [5, 6, 7, 8, 9] and str(answer["seen"][0]).startswith("2026-11-28"), answer
    assert list(answer["mag"].mask) == [False, True, False, True, True]
    field = answer.votable.get_first_table().get_field_by_id_or_name("id")
    assert (str(field.unit), field.ucd) == ("deg", "meta.note")

    # What TAP_SCHEMA and /tap/tables say of it.
    columns = "SELECT column_name, datatype, indexed FROM TAP_SCHEMA.columns WHERE table_name = 'user_ada.stars' ORDER BY column_index"
    assert rows(columns) == [["id", "long", "0"], ["seen", "char", "0"], ["mag", "double", "0"]], rows(columns)
    [[text]] = rows("SELECT description FROM TAP_SCHEMA.tables WHERE table_name = 'user_ada.stars'")
    assert text.startswith("My stars (kept until 2"), text
    [[text]] = rows("SELECT description FROM TAP_SCHEMA.schemas WHERE schema_name = 'user_ada'")
    assert "1 of 100" in text, text
    assert "user_ada.stars" in service.tables

    # Indexes, by jobs; the values of a unique one are.
    service.create_index("user_ada.stars", "id", unique=True)
    service.create_index("stars", "mag")
    assert [row[2] for row in rows(columns)] == ["1", "0", "1"]
    refused(400, "Key (id)=(5) already exists", ada.post(f"{LOAD}/stars", data=b"id,mag\n10,1\n5,2\n"))
    assert rows("SELECT COUNT(*) AS n FROM user_ada.stars") == [["5"]]
    service.load_table("stars", io.BytesIO(b"mag\n2.5\n2.5\n"), format="csv")
    update = f"{BASE_URL}/tap/table-update"
    refused(400, "no column", ada.post(update, data={"TABLE": "stars", "INDEX": "nothing"}))
    refused(400, "INDEX is missing", ada.post(update, data={"TABLE": "stars"}))
    refused(404, "no table", ada.post(update, data={"TABLE": "others", "INDEX": "id"}))
    refused(400, "INDEX_TYPE", ada.post(update, data={"TABLE": "stars", "INDEX": "id", "INDEX_TYPE": "long-lat"}))
    refused(401, "say who you are", requests.post(update, data={"TABLE": "stars", "INDEX": "id"}))
    job = ada.post(update, data={"TABLE": "stars", "INDEX": "mag", "INDEX_TYPE": "unique", "PHASE": "RUN"})
    job = pyvo.dal.AsyncTAPJob(job.url, session=ada).wait()
    assert job.phase == "ERROR" and "Key (mag)=(2.5)" in job.job.errorsummary.message.content, job.job.errorsummary
    service.create_index("stars", "mag,seen")

    # A table that is there is not made again, and is made again once it is dropped.
    assert ada.get(f"{TABLES}/stars").text == ada.get(f"{TABLES}/user_ada.stars").text != ""
    assert ada.get(f"{TABLES}/STARS").status_code == 200
    refused(409, "user_ada.stars already", ada.put(f"{TABLES}/STARS", data=description(("id", "long", ""))))
    service.remove_table("user_ada.stars")
    refused(400, "not found", ada.post(f"{BASE_URL}/tap/sync", data={"LANG": "ADQL", "QUERY": "SELECT * FROM user_ada.stars"}))
    refused(404, "no table", ada.delete(f"{TABLES}/stars"))
    refused(404, "no table", ada.post(f"{LOAD}/stars", data=b"id\n1\n"))
    table = Table({"id": np.array([3425114617586286848, -(2**63) + 1]), "name": ["a", "é λ 🪐"], "pair": np.array([[1.5, np.nan], [2, 3]])})
    service.create_table("stars", io.BytesIO(votable(table)), format="VOTable")
    answer = service.run_sync("SELECT * FROM user_ada.stars ORDER BY id DESC").to_table()
    assert list(answer["id"]) == list(table["id"]) and list(answer["name"]) == ["a", "é λ 🪐"], answer
    assert answer["pair"][1].tolist() == [2, 3] and answer["pair"][0].tolist()[0] == 1.5
    service.remove_table("stars")

if PART == "formats":
    table = pa.table(
        {
            "id": pa.array([1, -(2**62) - 1, None]),
            "text": pa.array(["007", "a,\"b\"", None]),
            "small": pa.array([1, -2, 3], pa.int16()),
            "list": pa.array([[1.5, None], [], None], pa.list_(pa.float64())),
            "pair": pa.array([[1, 2], [3, None], None], pa.list_(pa.int32(), 2)),
            "flag": pa.array([True, False, None]),
            "when": pa.array([0, 1_500_000, None], pa.timestamp("us")),
            "word": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    whole = service.run_sync
    ways = {"arrow": ipc(table), "parquet": parquet(table), "zstd": parquet(table, compression="zstd")}
    for name, body in ways.items():
        answer = made(ada.put(f"{TABLES}/{name}", data=body))
        assert answer.headers["location"] == f"{TABLES}/user_ada.{name}" and "has 3 rows" in answer.text
        made(ada.post(f"{LOAD}/{name}", data=body), 200)
        made(ada.post(f"{TABLES}/{name}", data=ipc(table.select(["word", "id"]))), 200)
        answer = ada.post(f"{BASE_URL}/tap/sync", data={"LANG": "ADQL", "FORMAT": "arrow", "QUERY": f"SELECT * FROM user_ada.{name}"})
        back = pa.ipc.open_stream(answer.content).read_all()
        assert back.num_rows == 9 and back.column_names == table.column_names
        for column in table.column_names[:-1]:
            expected = table[column].to_pylist()
            assert sorted(map(repr, back[column].to_pylist())) == sorted(map(repr, expected * 2 + (expected if column == "id" else [None] * 3))), column
    joined = rows("SELECT COUNT(*) AS n FROM user_ada.arrow AS a JOIN user_ada.zstd AS z ON a.id = z.id")
    assert joined == [["18"]], joined

    # The same by an upload, which is gone with the query.
    for body in (ipc(table), parquet(table)):
        form = {"LANG": "ADQL", "FORMAT": "csv", "QUERY": "SELECT COUNT(id) AS n FROM TAP_UPLOAD.t", "UPLOAD": "t,param:f"}
        assert made(ada.post(f"{BASE_URL}/tap/sync", data=form, files={"f": body}), 200).text.split() == ["n", "2"]

    plain = Table({"id": np.array([1, 2]), "ra": [10.5, np.nan]}, units={"ra": "deg"})
    fits, ecsv = io.BytesIO(), io.StringIO()
    plain.write(fits, format="fits")
    plain.write(ecsv, format="ascii.ecsv")
    bodies = {"fits": fits.getvalue(), "ecsv": ecsv.getvalue().encode(), "vot": votable(plain), "csv": b"id,ra\n1,10.5\n2,\n",
              "tsv": b"id\tra\r\n1\t10.5\r\n2\t\r\n", "bom": b"\xef\xbb\xbfid,ra\n1,10.5\n2,\n"}
    for name, body in bodies.items():
        made(ada.put(f"{TABLES}/from_{name}", data=body))
        assert rows(f"SELECT id, ra FROM user_ada.from_{name} ORDER BY id") == [["1", "10.5"], ["2", ""]], name

    # Rows go into the columns of their names, and none is changed on the way.
    made(ada.put(f"{TABLES}/typed", data=description(("n", "short", ""), ("x", "float", ""), ("t", "char", "arraysize='*'"))))
    made(ada.post(f"{LOAD}/typed", data=b"T,N\n007, 5 \n"), 200)
    assert rows("SELECT * FROM user_ada.typed") == [["5", "", "007"]]
    for body, words in [(b"n\n70000\n", "70000"), (b"n\n1.5\n", "1.5"), (b"m\n1\n", "no column \"m\"; it has n, x, t"), (b"n,N\n1,2\n", "twice"),
                        (b"n\n1\n2,3\n", "incorrect number of fields"), (b"", "body is empty"), (votable(Table({"n": [1.5]})), "cannot hold 1.5"),
                        (ipc(pa.table({"n": [70000]})), "cannot hold 70000"), (votable(Table({"n": [2**40]})), "1099511627776")]:
        refused(400, words, ada.post(f"{LOAD}/typed", data=body))
    assert rows("SELECT COUNT(*) AS n FROM user_ada.typed") == [["1"]], "what is refused changes nothing"

    # Parquet and Arrow with many columns and small batches; what a file says of its columns; the media type tells CSV from TSV.
    many = pa.table({f"c{n}": np.arange(20_000) * 1.5 for n in range(120)})
    for body in (parquet(many, row_group_size=500), ipc(many)):
        assert "has 20000 rows" in made(ada.put(f"{TABLES}/many", data=body)).text
        made(ada.delete(f"{TABLES}/many"), 204)
    said = pa.field("d", pa.float64(), metadata={"unit": "km", "derived_from": "x", "arraysize": "7"})
    made(ada.put(f"{TABLES}/said", data=ipc(pa.table([pa.array([1.5])], schema=pa.schema([said])))))
    assert rows("SELECT unit, datatype FROM TAP_SCHEMA.columns WHERE table_name = 'user_ada.said'") == [["km", "double"]]
    made(ada.put(f"{TABLES}/tabs", data=b"a,b\tc\n1\t2\n", headers={"Content-Type": "text/tab-separated-values"}))
    assert rows('SELECT "a,b", c FROM user_ada.tabs') == [["1", "2"]]
    update = {"TABLE": "tabs", "INDEX": '"a,b", c', "PHASE": "RUN"}
    job = pyvo.dal.AsyncTAPJob(ada.post(f"{BASE_URL}/tap/table-update", data=update).url, session=ada).wait()
    assert job.phase == "COMPLETED", job.job.errorsummary
    made(ada.put(f"{TABLES}/padded", data=b"id , name\n1,x\n"))
    made(ada.post(f"{LOAD}/padded", data=b"id , name\n2,y\n"), 200)

    # Numbers, truth values and times are not taken for each other, and no number becomes another one.
    made(ada.put(f"{TABLES}/strict", data=description(("n", "int", ""), ("f", "float", ""), ("b", "boolean", ""),
                 ("t", "char", "arraysize='*' extendedType='timestamp'"), ("l", "int", "arraysize='*'"))))
    moments = pa.array([0], pa.timestamp("us"))
    for name, values, words in [("t", [61000.5], "not taken for each other"), ("b", [5], "not taken for each other"), ("n", moments, "not taken for each other"),
                                ("f", [1e300], "cannot hold 1e300"), ("l", [[1.5]], "cannot hold 1.5"), ("n", ["x"], "x"), ("l", [1], "an array")]:
        refused(400, words, ada.post(f"{LOAD}/strict", data=ipc(pa.table({name: values}))))
    large = pa.table({"n": pa.array([2**63], pa.uint64())})
    refused(400, "9223372036854775808", ada.put(f"{TABLES}/large", data=parquet(large)))
    refused(404, "no table", ada.delete(f"{TABLES}/large"))
    refused(400, "cannot hold 1e999", ada.put(f"{TABLES}/large", data=b"x\n1\n1e999\n"))
    made(ada.put(f"{TABLES}/infinite", data=b"x\n1\n-inf\nInfinity\n"))

    # What is said of columns is bounded, for all tables together; Flight SQL tells all of it at once.
    told = description(*((f"c{n}", "int", "extendedType='%s'" % ("x" * 220)) for n in range(700)))
    answers = [ada.put(f"{TABLES}/told_{n}", data=told) for n in range(12)]
    refused(403, "more than 2 MB; drop a table", answers[-1])
    assert 8 <= sum(answer.status_code == 201 for answer in answers) <= 11, answers
    import adbc_driver_flightsql.dbapi as flightsql

    options = {"adbc.flight.sql.authorization_header": f"Bearer {TOKENS[0]}"}
    with flightsql.connect(TOKENS[1], db_kwargs=options) as connection:
        names = str(connection.adbc_get_objects().read_all().to_pylist())
        assert "told_3" in names and "c699" in names

if PART == "owners":
    bob, nobody = known(TOKENS[1]), requests.Session()
    made(ada.put(f"{TABLES}/secret", data=b"id,word\n1,hidden\n"))
    made(bob.put(f"{TABLES}/secret", data=b"id,word\n2,bobs\n3,bobs\n"))
    assert rows("SELECT id FROM user_ada.secret") == [["1"]] and rows("SELECT id FROM user_bob.secret", bob) == [["2"], ["3"]]
    for other, code in ((bob, 404), (nobody, 401)):
        for query in ("SELECT * FROM user_ada.secret", "SELECT word FROM user_ada.\"secret\"", "SELECT 1 AS n FROM spolia_user.t1",
                      "SELECT * FROM spolia_user.held"):
            answer = other.post(f"{BASE_URL}/tap/sync", data={"LANG": "ADQL", "QUERY": query})
            assert answer.status_code == 400 and "not found" in answer.text and "hidden" not in answer.text, answer.text
        seen = rows("SELECT table_name FROM TAP_SCHEMA.tables WHERE table_name LIKE 'user%'", other)
        assert seen == ([["user_bob.secret"]] if other is bob else []), seen
        tables = other.get(TABLES).text
        assert "user_ada" not in tables and ("user_bob.secret" in tables) == (other is bob)
        assert other.get(f"{TABLES}/user_ada.secret").status_code == 404
        assert other.delete(f"{TABLES}/user_ada.secret").status_code == code
        assert other.post(f"{LOAD}/user_ada.secret", data=b"id\n5\n").status_code == code
        assert other.post(f"{TABLES}/user_ada.secret", data={"DESTRUCTION": "2026-01-01"}).status_code == code
        assert other.put(f"{TABLES}/user_ada.mine", data=b"id\n5\n").status_code == (403 if other is bob else 401)
        assert other.put(f"{TABLES}/gaia.mine", data=b"id\n5\n").status_code == (403 if other is bob else 401)
        update = other.post(f"{BASE_URL}/tap/table-update", data={"TABLE": "user_ada.secret", "INDEX": "id"})
        assert update.status_code == code, update.text
    assert ada.delete(f"{TABLES}/gaia.completesource").status_code == 404
    assert "user_ada.secret" in ada.get(TABLES).text and ada.get(f"{TABLES}/user_ada.secret").status_code == 200

    # A job is its owner's, and so is what it reads; a stranger's upload by an address is a request of nobody's.
    job = service.submit_job("SELECT word FROM user_ada.secret").run().wait()
    assert [str(word) for word in job.fetch_result()["word"]] == ["hidden"]
    assert bob.get(job.url).status_code == 404 and nobody.get(job.url).status_code == 404

    import adbc_driver_flightsql.dbapi as flightsql

    for token, seen in ((TOKENS[0], True), (TOKENS[1], False)):
        options = {"adbc.flight.sql.authorization_header": f"Bearer {token}"}
        with flightsql.connect(TOKENS[2], db_kwargs=options) as connection, connection.cursor() as cursor:
            names = str(connection.adbc_get_objects().read_all().to_pylist())
            assert ("user_ada" in names) == seen and ("user_bob" in names) != seen
            try:
                cursor.execute("SELECT word FROM user_ada.secret")
                assert seen and cursor.fetchall() == [("hidden",)]
            except Exception as error:
                assert not seen and "not found" in str(error), error

if PART == "bounds":
    # Three tables and 2 MB.
    made(ada.put(f"{TABLES}/one", data=b"id,text\n1,x\n"))
    wide = "id,text\n" + "".join(f"{n},{n * 7919 % 1000003:032d}\n" for n in range(40_000))
    refused(400, "2 MB together", ada.post(f"{LOAD}/one", data=wide.encode()))
    assert rows("SELECT COUNT(*) AS n FROM user_ada.one") == [["1"]]
    for _ in range(4):
        made(ada.post(f"{LOAD}/one", data="".join(wide.splitlines(True)[:6001]).encode()), 200)
    refused(400, "2 MB together", ada.post(f"{LOAD}/one", data="".join(wide.splitlines(True)[:6001]).encode()))
    assert rows("SELECT COUNT(*) AS n FROM user_ada.one") == [["24001"]]
    update = {"TABLE": "one", "INDEX": "id,text", "PHASE": "RUN"}
    job = pyvo.dal.AsyncTAPJob(ada.post(f"{BASE_URL}/tap/table-update", data=update).url, session=ada).wait()
    assert job.phase == "ERROR" and "2 MB together" in job.job.errorsummary.message.content
    made(ada.put(f"{TABLES}/two", data=b"id\n1\n"))
    made(ada.put(f"{TABLES}/three", data=b"id\n1\n"))
    refused(403, "may have 3 tables", ada.put(f"{TABLES}/four", data=b"id\n1\n"))
    made(ada.delete(f"{TABLES}/two"), 204)
    # Dropped ones count as long as their node has them: up to three more.
    answers = [ada.put(f"{TABLES}/again", data=b"id\n1\n").status_code for _ in range(8) if ada.delete(f"{TABLES}/again").status_code]
    assert answers[0] == 201 and answers[-1] == 403, answers
    ada.delete(f"{TABLES}/again")
    while ada.put(f"{TABLES}/again", data=b"id\n1\n").status_code == 403:
        time.sleep(1)
    made(ada.delete(f"{TABLES}/again"), 204)
    time.sleep(35)
    # An answer that comes before the whole document is read ends the connection, which the next request would not know yet.
    ada.headers["Connection"] = "close"

    # Names and documents that are none.
    for name in ("", "a.b.c", "2mass", "my-stars", "select", "x" * 65, "%C3%A9", "..%2F..%2Fetc", "user_ada.", "a%00b", "a%22b", "TAP_SCHEMA.tables"):
        answer = ada.put(f"{TABLES}/{name}", data=b"id\n1\n")
        assert answer.status_code in (400, 403, 404, 405), (name, answer.status_code)
    columns = lambda count: description(*((f"c{n}", "int", "") for n in range(count)))
    bomb = b"<!DOCTYPE t [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><table><description>&b;</description></table>"
    for body, words in [(description(), "1 to 1000 columns"), (columns(1001), "1 to 1000 columns"), (b"<tableset/>", "tableset"), (bomb, ""),
                        (description(("a", "doubleComplex", "")), "doubleComplex"), (description(("a", "int", ""), ("A", "int", "")), "two columns"),
                        (description(("x" * 65, "int", "")), "name of a column"), (description(("a&quot;b", "int", "")), "double quote"),
                        (b"<a" + b"<b>" * 100_000, ""), (b"id,id\n1,2\n", "twice"), (b"\x00\x01\x02", ""), (b"<table>", "ends before")]:
        refused(400, words, ada.put(f"{TABLES}/hostile", data=body))
    made(ada.put(f"{TABLES}/wide", data=columns(1000)))
    made(ada.post(f"{LOAD}/wide", data=b"c999\n1\n"), 200)
    assert rows("SELECT c0, c999 FROM user_ada.wide") == [["", "1"]]
    made(ada.delete(f"{TABLES}/wide"), 204)

    # A Parquet file of a few kB that is 800 MB, one that claims to be larger, and damaged ones.
    zeros = parquet(pa.table({"id": np.zeros(100_000_000 // 10, dtype="i8")}))
    assert len(zeros) < 2_000_000
    refused(400, "as much as may be brought along", ada.put(f"{TABLES}/zeros", data=zeros))
    text = parquet(pa.table({"t": pa.array(["x" * 1_000_000] * 900)}), compression="zstd", use_dictionary=False)
    refused(400, "", ada.put(f"{TABLES}/text", data=text))
    # What would be told at length, could not be read back, or has more columns than are read.
    refused(400, "Binary", ada.put(f"{TABLES}/told", data=parquet(pa.table({"x" * 100_000: pa.array([b"a"], pa.binary())}))))
    unread = pa.schema([pa.field("a", pa.list_(pa.int16(), 2_000_000))]).empty_table()
    refused(400, "1048576 elements", ada.put(f"{TABLES}/unread", data=ipc(unread)))
    refused(400, "arraysize", ada.put(f"{TABLES}/sized", data=ipc(pa.table([pa.array([[1, 2]], pa.list_(pa.int32(), 2))],
            schema=pa.schema([pa.field("a", pa.list_(pa.int32(), 2), metadata={"arraysize": "ten"})])))))
    refused(400, "more than 2000 columns", ada.put(f"{TABLES}/columns", data=ipc(pa.table({f"c{n}": [1] for n in range(2001)}))))
    refused(400, "256 kB", ada.put(f"{TABLES}/long", data=description(*((f"c{n}", "int", "extendedType='%s'" % ("x" * 300)) for n in range(1000)))))
    assert rows("SELECT table_name FROM TAP_SCHEMA.tables WHERE table_name LIKE 'user%' ORDER BY table_name") == [["user_ada.one"], ["user_ada.three"]]

    good = bytearray(parquet(pa.table({"id": list(range(1000)), "t": ["abc"] * 1000})))
    stream = bytearray(ipc(pa.table({"id": list(range(1000)), "t": ["abc"] * 1000})))
    for seed in range(60):
        damaged = bytearray(good if seed % 2 else stream)
        for place in np.random.default_rng(seed).integers(4, len(damaged), 12):
            damaged[place] ^= 1 << int(place % 8)
        answer = ada.put(f"{TABLES}/damaged", data=bytes(damaged))
        assert answer.status_code in (201, 400, 409), (seed, answer.status_code, answer.text)
        ada.delete(f"{TABLES}/damaged")

    # How long a table is kept.
    until = ada.post(f"{TABLES}/three", data={"DESTRUCTION": "2999-01-01"})
    assert "kept until 2" in until.text and "2999" not in until.text, until.text
    refused(400, "DESTRUCTION is a time", ada.post(f"{TABLES}/three", data={"DESTRUCTION": "soon"}))
    refused(400, "DESTRUCTION is missing", ada.post(f"{TABLES}/three", data={"LIFETIME": "5"}))
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    made(ada.post(f"{TABLES}/three", data={"DESTRUCTION": soon}), 200)
    time.sleep(2)
    assert rows("SELECT table_name FROM TAP_SCHEMA.tables WHERE table_name LIKE 'user%'") == [["user_ada.one"]]

if PART == "cut":
    # Rows of an own table choose what is cut.
    ids = service.run_sync("SELECT TOP 7 source_id FROM gaia.completesource ORDER BY source_id")["source_id"]
    service.create_table("chosen", io.BytesIO(votable(Table({"source_id": ids}))), format="VOTable")
    query = "SELECT s.id FROM user_ada.chosen AS c JOIN gaia.completesource AS s ON s.source_id = c.source_id"
    merged = made(ada.get(f"{BASE_URL}/datalink/gaiamerger", params={"QUERY": query}), 200)
    assert merged.headers["x-spolia-objects"] == "7"
    service.remove_table("chosen")
