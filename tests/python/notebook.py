"""The reference archive's notebook, cell by cell, with pyvo and astropy.

usage: notebook.py BASE_URL
"""

import io
import sys
from urllib.parse import parse_qs, urlparse

import h5py
import pandas as pd
import pyvo
import requests
from pyvo.dal.adhoc import DatalinkResults

BASE_URL = sys.argv[1]
QUERY = """
SELECT *
FROM gaia.completesource
WHERE alpha < 1.61835 AND alpha > 1.61815
AND delta < 0.40205 AND delta > 0.40185
"""
SEED_COLUMNS = {
    "gaia.completesource": "id did_rse did_scope did_name checksum file_version file_name file_extension key_name source_id alpha "
    "alpha_star_error delta delta_error mu_alpha_star mu_alpha_star_error mu_delta mu_delta_error nu_eff_used_in_astrometry "
    "radial_velocity radial_velocity_error varpi varpi_error access_url",
    "gaia.astroelementary": "file_name source_id transit_id ac_win_coord transit_time access_url",
    "gaia.crossmatch": "did_rse id file_version flags heal_pix_fov",
}

# 2. Tables and columns.
service = pyvo.dal.TAPService(f"{BASE_URL}/tap")
rows = []
for _, table in service.tables.items():
    rows += [{"table": table.name, "column": column.name, "datatype": str(column.datatype)} for column in table.columns]
tables = pd.DataFrame(rows)
for table, columns in SEED_COLUMNS.items():
    missing = set(columns.split()) - set(tables[tables.table == table].column)
    assert not missing, (table, missing)
assert any(tables.table.str.lower() == "tap_schema.columns"), "TAP_SCHEMA describes itself"

# 3. The query.
results = service.search(QUERY)
frame = results.to_table().to_pandas()
assert len(frame) == 8, len(frame)
assert 3425114617586286848 in set(int(i) for i in results["source_id"]), "ids are exact"
assert str(results.to_table()["alpha"].unit) == "rad"

# 4. DataLink of the first row.
access_url = frame.iloc[0]["access_url"]
assert set(parse_qs(urlparse(access_url).query)) == {"id", "clientId"}
datalink = DatalinkResults.from_result_url(access_url)
links = datalink.to_table().to_pandas().set_index("semantics")
for semantics in ("#this", "#progenitor", "#counterpart"):
    assert semantics in links.index, links
assert links.loc["#this", "content_type"] == "application/x-hdf5"

# #this is the object, cut out.
merged = requests.get(links.loc["#this", "access_url"], timeout=60)
merged.raise_for_status()
with h5py.File(io.BytesIO(merged.content)) as file:
    assert file["provenance/object_path"].shape == (1,), "one object"

# #progenitor is the whole file, and answers ranges.
progenitor = links.loc["#progenitor", "access_url"]
whole = requests.get(progenitor, timeout=60)
whole.raise_for_status()
assert whole.content[:8] == b"\x89HDF\r\n\x1a\n"
part = requests.get(progenitor, headers={"Range": "bytes=1-3"}, timeout=60)
assert (part.status_code, part.content) == (206, b"HDF"), part.status_code
beyond = requests.get(progenitor, headers={"Range": f"bytes={len(whole.content)}-"}, timeout=60)
assert beyond.status_code == 416, beyond.status_code

# #counterpart is its transits, which have links again.
transits = pyvo.dal.DALResults.from_result_url(links.loc["#counterpart", "access_url"])
assert len(transits) > 0 and "transit_id" in transits.fieldnames
again = DatalinkResults.from_result_url(transits.to_table()["access_url"][0])
assert "#this" in set(again.to_table()["semantics"])

# A selection of several rows is one file.
ids = [parse_qs(urlparse(url).query)["id"][0] for url in frame["access_url"]]
this = links.loc["#this", "access_url"].split("?")[0]
several = requests.get(this, params=[("id", i) for i in ids] + [("WITH_TRANSITS", "true")], timeout=60)
several.raise_for_status()
with h5py.File(io.BytesIO(several.content)) as file:
    paths = [path.decode() for path in file["provenance/object_path"][()]]
    assert sum("CompleteSource" in path for path in paths) == 8 and len(paths) > 8, paths

# An error is an error.
for query, word in (("SELECT paralax FROM gaia.completesource", "line 1, column 8"), ("SELEC", "line 1")):
    try:
        service.search(query)
    except pyvo.dal.DALQueryError as error:
        assert word in str(error), error
    else:
        raise AssertionError(f"{query} should have failed")

# MAXREC and overflow.
few = service.search("SELECT source_id FROM gaia.completesource", maxrec=5)
assert len(few) == 5 and few.query_status == "OVERFLOW", few.query_status
print("the notebook runs")
