"""Jobs and uploads with pyvo, requests and astroquery's TapPlus.

usage: jobs.py BASE_URL SECRET
"""

import io
import os
import sys
import tempfile
import time

import numpy
import pyarrow
import pyvo
import requests
from astropy.table import Table
from astroquery.utils.tap import TapPlus
from pyvo.auth import AuthSession

BASE_URL, SECRET = sys.argv[1:]
TAP = f"{BASE_URL}/tap"
QUERY = "SELECT source_id, alpha, delta FROM gaia.completesource ORDER BY source_id"

service = pyvo.dal.TAPService(TAP)

# 1. A job from its making to its end.
job = service.submit_job(QUERY, maxrec=50)
assert job.phase == "PENDING" and job.owner is None and job.query == QUERY, job.phase
job.execution_duration = 100
job.destruction = "2999-01-01T00:00:00Z"
assert job.execution_duration.sec == 100 and job.destruction.datetime.year < 2999
job.run().wait(phases=["COMPLETED"], timeout=30)
job.raise_if_error()
result = job.fetch_result()
assert len(result) == 50 and result.query_status == "OVERFLOW", (len(result), result.query_status)
assert job.result_uris == [f"{job.url}/results/result"]
document = requests.get(job.url, timeout=60).text
assert "<rows>50</rows>" in document and "<overflow>true</overflow>" in document, document
url = job.url
job.delete()
assert requests.get(url, timeout=60).status_code == 404

# Whether it is whole is told in each format: before the rows, or in the header that comes with them.
for form, told in (("csv", None), ("tsv", None), ("ecsv", lambda got: Table.read(got.decode(), format="ascii.ecsv").meta["QUERY_STATUS"]),
                   ("arrow", lambda got: pyarrow.ipc.open_stream(got).schema.metadata[b"QUERY_STATUS"].decode())):
    for maxrec, status in ((50, "OVERFLOW"), (100_000, "OK")):
        asked = {"LANG": "ADQL", "QUERY": QUERY, "RESPONSEFORMAT": form, "MAXREC": maxrec}
        made = requests.post(f"{TAP}/async?WAIT=20", data=asked | {"PHASE": "RUN"}, timeout=60).url
        while requests.get(f"{made}/phase", timeout=60).text != "COMPLETED":
            requests.get(f"{made}?WAIT=10", timeout=60)
        for answer in (requests.get(f"{made}/results/result", timeout=60), requests.post(f"{TAP}/sync", data=asked, timeout=60)):
            assert answer.headers["x-spolia-overflow"] == str(status == "OVERFLOW").lower(), (form, answer.headers)
            assert told is None or told(answer.content) == status, (form, answer.content[:2000])
        requests.delete(made, timeout=60)

# 2. The same in one call, and one that fails.
assert len(service.run_async("SELECT TOP 7 source_id FROM gaia.completesource")) == 7
try:
    service.run_async("SELECT nothing FROM gaia.completesource")
    raise AssertionError("no error")
except pyvo.dal.DALQueryError as error:
    assert "nothing" in str(error), error

# 3. A job small enough is done before one would look twice.
laps = []
for _ in range(5):
    began = time.perf_counter()
    made = requests.post(f"{TAP}/async", data={"LANG": "ADQL", "QUERY": QUERY, "PHASE": "RUN"}, allow_redirects=False, timeout=60)
    where = made.headers["location"]
    while "COMPLETED" not in requests.get(f"{where}?WAIT=10", timeout=60).text:
        assert time.perf_counter() - began < 10
    laps.append(time.perf_counter() - began)
print(f"POST to COMPLETED: {sorted(laps)[2] * 1e3:.0f} ms")

# 4. Who has a token sees their own jobs, by either way of showing it.
for session in ({"headers": {"Authorization": f"Bearer {SECRET}"}}, {"auth": ("ada", SECRET)}):
    made = requests.post(f"{TAP}/async", data={"QUERY": QUERY}, timeout=60, **session)
    assert "<uws:ownerId>ada</uws:ownerId>" in made.text, made.text
session = AuthSession()
session.credentials.set_password("ada", SECRET)
own = pyvo.dal.TAPService(TAP, session=session)
jobs = own.get_job_list(phases="PENDING")
assert len(jobs) == 2 and {job.ownerid for job in jobs} == {"ada"}, jobs
assert len(own.get_job_list(last=1)) == 1
assert own.get_job(jobs[0].jobid).phase == "PENDING"
session.delete(f"{TAP}/async/{jobs[0].jobid}")
assert len(own.get_job_list()) == 1

# 5. Tables that come along, in each of VOTable's forms.
mine = Table({"name": numpy.arange(3), "id": service.run_sync(f"SELECT TOP 3 source_id FROM gaia.completesource ORDER BY source_id")["source_id"]})
join = "SELECT m.name, s.source_id FROM TAP_UPLOAD.mine AS m JOIN gaia.completesource AS s ON s.source_id = m.id ORDER BY m.name"
for answer in (service.run_sync(join, uploads={"mine": mine}), service.run_async(join, uploads={"mine": mine})):
    assert list(answer["name"]) == [0, 1, 2] and list(answer["source_id"]) == list(mine["id"]), answer
for form in ("tabledata", "binary", "binary2"):
    document = io.BytesIO()
    mine.write(document, format="votable", tabledata_format=form)
    answer = requests.post(
        f"{TAP}/sync",
        data={"QUERY": join, "UPLOAD": "mine,param:part", "RESPONSEFORMAT": "csv"},
        files={"part": ("mine.vot", document.getvalue())},
        timeout=60,
    )
    assert answer.status_code == 200 and len(answer.text.splitlines()) == 4, answer.text

# 6. astroquery.
tap = TapPlus(url=TAP)
assert "gaia.completesource" in {table.get_qualified_name().replace("gaia.gaia.", "gaia.") for table in tap.load_tables()}
assert len(tap.launch_job("SELECT TOP 9 source_id FROM gaia.completesource").get_results()) == 9
assert len(tap.launch_job_async("SELECT TOP 8 source_id FROM gaia.completesource").get_results()) == 8

mine.write(f"{tempfile.gettempdir()}/spolia-tapplus-{os.getpid()}.vot", format="votable")
try:
    joined = tap.launch_job(join, upload_resource=f"{tempfile.gettempdir()}/spolia-tapplus-{os.getpid()}.vot", upload_table_name="mine")
    assert list(joined.get_results()["name"]) == [0, 1, 2]
finally:
    os.remove(f"{tempfile.gettempdir()}/spolia-tapplus-{os.getpid()}.vot")

# Shapes that come along are shapes.
places = """<VOTABLE version="1.4"><RESOURCE><TABLE><FIELD name="p" datatype="double" arraysize="2" xtype="point" unit="deg"/>
<FIELD name="c" datatype="double" arraysize="3" xtype="circle"/><FIELD name="t" datatype="char" arraysize="*" xtype="timestamp"/>
<DATA><TABLEDATA><TR><TD>10 20</TD><TD>10 20.5 1</TD><TD>2026-01-02T03:04:05</TD></TR><TR><TD>50 20</TD><TD>10 20 1</TD><TD/></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
shapes = "SELECT COORD1(p) AS lon, CONTAINS(p, c) AS inside, t FROM TAP_UPLOAD.places ORDER BY lon"
answer = requests.post(
    f"{TAP}/sync",
    data={"QUERY": shapes, "UPLOAD": "places,param:p", "RESPONSEFORMAT": "csv"},
    files={"p": ("places.vot", places)},
    timeout=60,
)
assert answer.text.split() == ["lon,inside,t", "10.0,1,2026-01-02T03:04:05", "50.0,0,"], answer.text

# 7. Every example is a query.
examples = service.examples
assert len(examples) >= 12, len(examples)
for example in examples:
    assert len(example.execute()) >= 0, example
print(f"{len(examples)} examples")

print("jobs and uploads work")
