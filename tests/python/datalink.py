"""DataLink with pyvo and requests.

usage: datalink.py BASE_URL
"""

import io
import struct
import sys
import zlib
from urllib.parse import parse_qs, urlparse

import h5py
import pyvo
import requests
from astropy.io.votable import parse
from pyvo.dal.adhoc import DatalinkResults

BASE_URL = sys.argv[1]
LINKS = f"{BASE_URL}/datalink/links"
service = pyvo.dal.TAPService(f"{BASE_URL}/tap")


def links(ids, **parameters):
    """The table of links of these ids, and its status."""
    answer = requests.post(LINKS, data=[("ID", i) for i in ids] + list(parameters.items()), timeout=120)
    assert answer.status_code == 200 and answer.headers["content-type"].endswith("content=datalink"), answer.headers
    document = parse(io.BytesIO(answer.content))
    status = [info.value for info in document.resources[0].infos if info.name == "QUERY_STATUS"]
    return document.resources[0].tables[0].to_table(), status[-1], document


# 1. Thousands of ids in one request: the links of each together, in the order of the ids, and each leading one way.
rows = service.run_sync("SELECT TOP 3000 source_id, access_url FROM gaia.astroelementary", maxrec=3000)
ids = [str(url) for url in rows["access_url"]]
table, status, _ = links(ids)
assert status == "OK" and len(table) == 6 * len(ids), (status, len(table))
assert [i for at, i in enumerate(table["ID"]) if at % 6 == 0] == ids
for row in table[:400]:
    assert sum(bool(row[name]) for name in ("access_url", "service_def", "error_message")) == 1, row
    assert row["link_auth"] == "optional" and row["link_authorized"], row

# More than counts as short, so that it takes a place for what brings much along.
table, status, _ = links(ids, note="x" * (1 << 20))
assert status == "OK" and len(table) == 6 * len(ids), (status, len(table))

# 2. What is too much ends between two ids; metadata alone; no id; ids that are none.
table, status, _ = links(ids[:700], MAXREC=2403)
assert status == "OVERFLOW" and len(table) == 2400, (status, len(table))
assert [len(links(some, **more)[0]) for some, more in (([], {}), (ids[:5], {"MAXREC": 0}))] == [0, 0]
genuine = parse_qs(urlparse(ids[1]).query)["id"][0]
forged = genuine[:-1] + ("A" if genuine[-1] != "A" else "Q")
table, status, _ = links(["nothing", genuine, forged])
assert list(table["ID"]) == ["nothing"] + [genuine] * 6 + [forged]
for row in (table[0], table[-1]):
    assert row["error_message"].startswith("NotFoundFault: ") and row["semantics"] == "#this" and not row["access_url"], row

# 3. Cut & Merge with its choices is a service that tables of links describe, and results of queries too.
first = DatalinkResults.from_result_url(str(service.run_sync("SELECT TOP 1 * FROM gaia.completesource")["access_url"][0]))
assert [link.semantics for link in first] == ["#this", "#progenitor", "#counterpart", "#cutout", "#preview", "#documentation"]
cutout = next(first.iter_procs())
assert cutout.semantics == "#cutout" and cutout.service_def == "cut"
choices = {param.name: param for param in cutout.input_params}
assert list(choices) == ["ID", "CLIENTID", "FIELD", "WITH_TRANSITS", "KEEP_UNMATCHED", "PACKED", "COMPRESSION"], choices
assert (choices["COMPRESSION"].values.min, choices["COMPRESSION"].values.max) == (1, 9)
with h5py.File(io.BytesIO(cutout.process(FIELD="alpha,delta", PACKED="true").read())) as merged:
    found = []
    merged.visit(found.append)
    assert any(name.endswith("alpha") for name in found) and not any(name.endswith("varpi") for name in found), found
by_name = service.run_sync("SELECT TOP 1 source_id, datalink_url FROM gaia.completesource")
by_name.get_adhocservice_by_id("cut")
assert "#this" in {link.semantics for link in next(by_name.iter_datalinks())}
results = service.run_sync("SELECT TOP 2 * FROM gaia.completesource")
described = results.get_adhocservice_by_id("cut")
assert any(param.name == "accessURL" and param.value.endswith("/datalink/gaiamerger") for param in described.params)

# All rows of a query at once, by a service whose parameters are given.
whole = results.get_adhocservice_by_id("cut-query")
address = next(param.value for param in whole.params if param.name == "accessURL")
given = {param.name: param.value for group in whole.groups for param in group.entries if param.value}
assert set(given) == {"QUERY"} and str(given["QUERY"]) == "SELECT TOP 2 * FROM gaia.completesource", given
answer = requests.get(address, params=given, timeout=60)
assert answer.status_code == 200 and answer.headers["x-spolia-objects"] == "2", answer.text

# 4. The ways pyvo goes.
for document, row in zip(results.iter_datalinks(), results):
    assert {link.semantics for link in document} >= {"#this", "#cutout"}, document
    assert next(document.bysemantics("#progenitor", include_narrower=False)).content_length > 0
    this = next(row.getdatalink().bysemantics("#this", include_narrower=False))
    with h5py.File(io.BytesIO(requests.get(this.access_url, timeout=60).content)) as merged:
        assert len(merged) > 0


# 5. A plot of each kind of row, read by nobody of ours; what tells more of it.
def picture(url):
    answer = requests.get(url, timeout=60)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png", answer.text
    assert requests.get(url, headers={"If-None-Match": answer.headers["etag"]}, timeout=60).status_code == 304
    content, at, pixels = answer.content, 8, b""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(content):
        (length,), kind = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        data = content[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + data) == struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0]
        if kind == b"IHDR":
            width, height = struct.unpack(">II", data[:8])
        pixels += data if kind == b"IDAT" else b""
        at += 12 + length
    assert len(zlib.decompress(pixels)) == height * (width * 3 + 1) and (width, height) == (480, 360)
    return content


pictures = set()
for table, shown in (("completesource", "Chart of the rows around it, 6 arcmin wide"), ("astroelementary", "Plot of ac_win_coord")):
    for url in service.run_sync(f"SELECT TOP 2 access_url FROM gaia.{table}")["access_url"]:
        document = DatalinkResults.from_result_url(str(url))
        preview = next(document.bysemantics("#preview", include_narrower=False))
        assert preview.description == shown and preview.content_type == "image/png", preview
        pictures.add(picture(preview.access_url))
        about = next(document.bysemantics("#documentation", include_narrower=False))
        assert about.access_url == "https://www.cosmos.esa.int/web/gaia" and about.content_type == "text/html"
assert len(pictures) == 4, "each row has a picture of its own"
match = DatalinkResults.from_result_url(str(service.run_sync("SELECT TOP 1 access_url FROM gaia.crossmatch")["access_url"][0]))
assert "#preview" not in [link.semantics for link in match]
for wrong, code in (("id=x", 404), ("", 400), (f"id={genuine}&id={parse_qs(urlparse(ids[2]).query)['id'][0]}", 400)):
    assert requests.get(f"{BASE_URL}/datalink/preview?{wrong}", timeout=60).status_code == code, wrong


# 6. The permanent identifiers of products are ids too, and lead to the same files.
products = service.run_sync("SELECT TOP 3 obs_publisher_did, access_url, access_format FROM ivoa.obscore ORDER BY obs_publisher_did")
for product in products:
    did, access_url = str(product["obs_publisher_did"]), str(product["access_url"])
    assert did.startswith("ivo://") and product["access_format"] == "application/x-votable+xml;content=datalink"
    table, status, _ = links([did])
    assert status == "OK" and set(table["ID"]) == {did} and len(table) == 6, table
    by_url = DatalinkResults.from_result_url(access_url)
    assert [row["description"] for row in table] == [link.description for link in by_url][:6]
    this = requests.get(str(table[0]["access_url"]), timeout=60)
    assert this.status_code == 200, this.text
    assert this.content == requests.get(next(by_url.bysemantics("#this", include_narrower=False)).access_url, timeout=60).content
    assert product.getdatalink() is not None
faulty = ["ivo://other/gaia?x/y_1", did + "9999999999", did.replace("Impl_", "Impl-"), did.split("?")[0], "ivo://", did.replace("gaia", "other")]
table, status, _ = links(faulty)
assert len(table) == len(faulty) and all(row["error_message"].startswith("NotFoundFault: ") for row in table), table
print("links lead where they say")
