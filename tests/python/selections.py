"""Selections by HTTP: many rows under one id.

usage: selections.py memory|rows|attacks|lifetime|keys|jobs BASE_URL [TOKEN]
"""

import io
import sys
import time
from urllib.parse import parse_qs, urlparse

import h5py
import numpy as np
import pyvo
import requests
from astropy.io.votable import from_table, parse, writeto
from astropy.table import Table

PART, BASE_URL = sys.argv[1:3]
SELECTIONS = f"{BASE_URL}/datalink/selections"
service = pyvo.dal.TAPService(f"{BASE_URL}/tap")
session = requests.Session()


def links(**parameters):
    answer = session.get(f"{BASE_URL}/datalink/links", params=parameters, timeout=60)
    assert answer.headers["content-type"].endswith("content=datalink"), answer.text
    return list(parse(io.BytesIO(answer.content)).resources[0].tables[0].to_table())


def select(files=None, **parameters):
    """What is told of a new selection."""
    answer = session.post(SELECTIONS, data=parameters, files=files, timeout=60)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert session.get(answer.headers["location"], timeout=60).json() == told
    return told


def refused(code, words, files=None, **parameters):
    answer = session.post(SELECTIONS, data=parameters, files=files, timeout=60)
    assert answer.status_code == code and words in answer.text, (answer.status_code, answer.text)


def cut(url, **parameters):
    answer = session.get(url, params=parameters, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer


def count(answer):
    """Objects in a merged file, by what the header says."""
    with h5py.File(io.BytesIO(answer.content)) as merged:
        assert len(merged) > 0
    return int(answer.headers["x-spolia-objects"])


def ids_of(urls):
    return [parse_qs(urlparse(str(url)).query)["id"][0] for url in urls]


def client_of(url):
    return parse_qs(urlparse(str(url)).query)["clientId"][0]


rows = service.run_sync("SELECT TOP 40 id, source_id, access_url FROM gaia.completesource ORDER BY source_id")
ids, urls = ids_of(rows["access_url"]), [str(url) for url in rows["access_url"]]
client = client_of(urls[0])

if PART == "memory":
    # By ids: the file is the one that the ids themselves give.
    told = select(ID=ids, clientId=client)
    assert told["rows"] == 40 and told["until"].endswith("Z"), told
    whole = cut(told["cut"])
    assert count(whole) == 40
    assert whole.content == cut(f"{BASE_URL}/datalink/gaiamerger", ID=ids).content

    # By a query, by a query with an uploaded table, and by tables that list rows.
    by_query = select(QUERY="SELECT id FROM gaia.completesource WHERE source_id <= %d" % rows["source_id"][39])
    assert cut(by_query["cut"]).content == whole.content
    some = Table({"source_id": np.array(rows["source_id"][:7])})
    csv = "source_id\n" + "\n".join(str(i) for i in some["source_id"]) + "\n"
    joined = "SELECT s.id FROM gaia.completesource AS s JOIN TAP_UPLOAD.mine AS m ON s.source_id = m.source_id"
    seven = cut(f"{BASE_URL}/datalink/gaiamerger", ID=ids[:7]).content
    for told_of in (
        select(files={"t": ("t.csv", csv)}, UPLOAD="mine,param:t", QUERY=joined, LANG="ADQL"),
        select(files={"t": ("t.csv", csv)}, UPLOAD="mine,param:t"),
        select(files={"t": ("t.csv", "id\n" + "\n".join(str(i) for i in rows["id"][:7]))}, UPLOAD="mine,param:t"),
    ):
        assert told_of["rows"] == 7 and cut(told_of["cut"]).content == seven, told_of
    votable = io.BytesIO()
    writeto(from_table(Table({"access_url": urls[:7]})), votable)
    listed = select(files={"t": ("t.vot", votable.getvalue())}, UPLOAD="mine,param:t")
    assert cut(listed["cut"]).content == seven
    # Rows are what their links say, whatever source_id stands beside these: transits stay transits.
    transits = service.run_sync("SELECT TOP 3 transit_id, source_id, datalink_url FROM gaia.astroelementary ORDER BY transit_id")
    csv = "transit_id,source_id,datalink_url\n" + "\n".join(",".join(str(value) for value in row.values()) for row in transits)
    listed = select(files={"t": ("t.csv", csv)}, UPLOAD="mine,param:t")
    assert cut(listed["cut"]).content == cut(f"{BASE_URL}/datalink/gaiamerger", ID=ids_of(transits["datalink_url"])).content

    # A selection has links, and is a row among others.
    found = links(ID=told["id"], clientId=client)
    assert [link["semantics"] for link in found] == ["#this", "#counterpart", "#cutout"], found
    assert "40 rows" in found[0]["description"] and cut(found[0]["access_url"]).content == whole.content
    transits = pyvo.dal.adhoc.DALResults.from_result_url(found[1]["access_url"])
    assert set(transits["source_id"]) <= set(rows["source_id"])
    with_fields = cut(found[0]["access_url"], FIELD="alpha", PACKED="true")
    assert len(with_fields.content) < len(whole.content)
    both = links(ID=[told["id"], ids[0]], clientId=client)
    assert [link["ID"] for link in both] == [told["id"]] * 3 + [ids[0]] * 6
    again = select(ID=[told["id"], ids[0]], clientId=client)
    assert (again["id"], again["rows"]) == (told["id"], 40) or again["rows"] == 40
    # pyvo takes its whole URL for an id.
    assert [link.semantics for link in pyvo.dal.adhoc.DatalinkResults.from_result_url(told["links"])] == ["#this", "#counterpart", "#cutout"]

    # The service that its links describe can be called with what its description says.
    procs = list(pyvo.dal.adhoc.DatalinkResults.from_result_url(told["links"]).iter_procs())
    assert procs[0].process().read() == whole.content

    # It can be forgotten.
    where = f"{SELECTIONS}/{told['id']}"
    assert session.delete(where, params={"clientId": client}).status_code == 204
    assert session.delete(where, params={"clientId": client}).status_code == 404
    assert session.get(told["cut"]).status_code == 404
    gone = links(ID=told["id"], clientId=client)
    assert len(gone) == 1 and gone[0]["error_message"].startswith("NotFoundFault: "), gone

    # What is no selection.
    refused(400, "rows are chosen by ID")
    refused(400, "rows are chosen by ID", ID=ids, QUERY="SELECT id FROM gaia.completesource")
    refused(404, "was not made by this archive", ID=ids[0][:-1] + ("A" if ids[0][-1] != "A" else "B"))
    refused(404, "chooses no object", QUERY="SELECT id FROM gaia.completesource WHERE 1 = 2")
    refused(400, "must return the column id", QUERY="SELECT alpha FROM gaia.completesource")
    refused(400, "line 1, column 8", QUERY="SELECT nothing FROM gaia.completesource")
    refused(400, "LANG", QUERY="SELECT id FROM gaia.completesource", LANG="SQL")
    refused(400, "has no column", files={"t": ("t.csv", "a,b\n1,2\n")}, UPLOAD="mine,param:t")
    refused(400, "of another type", files={"t": ("t.csv", "source_id\nx\n")}, UPLOAD="mine,param:t")

    # Rows that are opened one after the other gather, by client; each answer offers all so far.
    fresh = service.run_sync("SELECT TOP 40 id, source_id, access_url FROM gaia.completesource ORDER BY source_id")
    urls, offered = [str(url) for url in fresh["access_url"]], []
    for at, url in enumerate(urls[:6]):
        opened = list(pyvo.dal.adhoc.DatalinkResults.from_result_url(url))
        of_basket = [link for link in opened if "opened so far" in str(link.description)]
        assert len(of_basket) == (at > 0), opened
        offered += [link.access_url for link in of_basket]
    assert [count(cut(url)) for url in offered] == [2, 3, 4, 5, 6]
    assert cut(offered[-1]).content == cut(f"{BASE_URL}/datalink/gaiamerger", ID=ids[:6]).content
    # Opened again, a row is there once; another client begins anew; who opens many at once opens none.
    assert "6 rows opened" in links(ID=ids_of(urls)[0], clientId=client_of(urls[0]))[-1]["description"]
    assert len(links(ID=ids_of(urls)[0], clientId="another-client")) == 6
    assert len(links(ID=ids_of(urls)[:2], clientId=client_of(urls[0]))) == 12
    assert session.get(offered[-1].replace(client_of(urls[0]), "another-client")).status_code == 404

if PART in ("memory", "rows"):
    # Rows have their links whatever becomes of selections.
    for url in urls[:3]:
        opened = list(pyvo.dal.adhoc.DatalinkResults.from_result_url(url))
        assert [link.semantics for link in opened][:4] == ["#this", "#progenitor", "#counterpart", "#cutout"], opened
        assert count(cut(opened[0].access_url)) == 1



def sound(*given, client=client):
    """Links, and a file."""
    for id in given:
        found = links(ID=id, clientId=client)
        assert len(found) >= 3 and not found[0]["error_message"], found
        assert session.get(f"{BASE_URL}/datalink/gaiamerger", params={"ID": id, "clientId": client}).status_code == 200


def faulty(*given, client=client):
    """One error row among the links, and no file."""
    for id in given:
        found = links(ID=id, clientId=client)
        assert len(found) == 1 and found[0]["error_message"] and not found[0]["access_url"], (id, found)
        assert session.get(f"{BASE_URL}/datalink/gaiamerger", params={"ID": id, "clientId": client}).status_code == 404


if PART in ("attacks", "lifetime", "keys"):
    told = select(ID=ids, clientId=client)
    opened = [list(pyvo.dal.adhoc.DatalinkResults.from_result_url(url)) for url in urls[:2]]
    basket = ids_of([opened[1][-1].access_url])[0]
    good = [told["id"], basket, ids[0]]
    sound(*good)

if PART == "attacks":
    for text in good:
        for at in range(len(text)):
            for bit in range(7):
                changed = chr(ord(text[at]) ^ 1 << bit)
                if changed.strip() and changed.isprintable():
                    faulty(text[:at] + changed + text[at + 1 :])
            if at:
                faulty(text[:at])
        faulty(text + "A")
        faulty(text + text)
    for text in good[:2]:
        faulty(text, client="another-client")
        faulty(text, client=client[:-1])
        faulty(f"{BASE_URL}/datalink?id={text}&clientId=another-client", client="")
    sound(*good)

if PART == "lifetime":
    time.sleep(4)
    faulty(told["id"], basket)
    assert session.get(told["links"]).status_code == 200 and session.get(told["cut"]).status_code == 404
    # A basket that begins anew under the same client is not the old one; rows have no end.
    for url in urls[3:6]:
        list(pyvo.dal.adhoc.DatalinkResults.from_result_url(url))
    faulty(basket)
    sound(ids[0])

if PART == "jobs":
    ASYNC = f"{BASE_URL}/datalink/gaiamerger/async"
    told, token = select(ID=ids, clientId=client), {"Authorization": f"Bearer {sys.argv[3]}"}

    def job(headers=None, files=None, **parameters):
        """The address of a new job."""
        answer = session.post(ASYNC, data=parameters, files=files, headers=headers, allow_redirects=False, timeout=60)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def done(url, phase="COMPLETED", headers=None):
        """The document of a job that has ended."""
        for _ in range(20):
            document = session.get(url, params={"WAIT": 30}, headers=headers, timeout=60).text
            if not any(f"<uws:phase>{going}<" in document for going in ("PENDING", "QUEUED", "EXECUTING")):
                break
        assert f"<uws:phase>{phase}<" in document, document
        return document

    def merged(url, headers=None):
        return session.get(f"{url}/results/merged", headers=headers, timeout=60)

    # The same bytes as at once, by a selection, by a query, by an uploaded list; more than is cut at once.
    refused = session.get(told["cut"])
    assert refused.status_code == 400 and "is a job: " in refused.text, refused.text
    nine = f"{BASE_URL}/datalink/gaiamerger?clientId={client}&" + "&".join(f"ID={i}" for i in ids[:9])
    made = job(ID=ids[:9], clientId=client, PHASE="RUN")
    document = done(made)
    assert "<objects>9<" in document and '<uws:parameter id="ROWS">9<' in document, document
    assert merged(made).content == cut(nine).content and merged(made).headers["content-type"] == "application/x-hdf5"
    assert session.get(f"{made}/results/merged", headers={"Range": "bytes=0-7"}).content == b"\x89HDF\r\n\x1a\n"
    query = "SELECT TOP 5 id FROM gaia.completesource ORDER BY source_id"
    by_query = job(QUERY=query, PHASE="RUN", WITH_TRANSITS="false")
    done(by_query)
    assert merged(by_query).content == cut(f"{BASE_URL}/datalink/gaiamerger", QUERY=query).content
    listed = job(files={"t": ("t.csv", "id\n" + "\n".join(str(i) for i in rows["id"][:9]))}, UPLOAD="mine,param:t", PHASE="RUN")
    done(listed)
    whole = job(ID=told["id"], clientId=client, WITH_TRANSITS="true", PHASE="RUN")
    assert "<objects>40<" not in done(whole)

    # A pending job can change what it takes, and keeps its rows.
    pending = job(ID=told["id"], clientId=client)
    assert session.delete(f"{SELECTIONS}/{told['id']}", params={"clientId": client}).status_code == 204
    assert session.post(f"{pending}/parameters", data={"FIELD": "alpha", "PACKED": "true"}).status_code == 200
    assert session.post(f"{pending}/phase", data={"PHASE": "RUN"}).status_code == 200
    assert "<objects>40<" in done(pending)
    with h5py.File(io.BytesIO(merged(pending).content)) as small:
        found = []
        small.visit(found.append)
        assert any(name.endswith("alpha") for name in found) and not any(name.endswith("varpi") for name in found), found

    # Rows that are chosen anew take the place of those before, in whichever way; what is told of the job is what it does.
    def told_of(url):
        document = session.get(url, timeout=60).text
        return {name for name in ("ROWS", "QUERY", "UPLOAD", "ID") if f'<uws:parameter id="{name}">' in document}

    def change(url, files=None, **parameters):
        answer = session.post(f"{url}/parameters", data=parameters, files=files, timeout=60)
        assert answer.status_code == 200, answer.text

    csv = "id\n" + "\n".join(str(i) for i in rows["id"][:7])
    changing = job(ID=ids[:3], clientId=client)
    assert told_of(changing) == {"ROWS"}
    change(changing, ID=ids[:4])
    assert session.get(changing).text.count('id="ROWS"') == 1 and '"ROWS">4<' in session.get(changing).text
    change(changing, QUERY=query)
    assert told_of(changing) == {"QUERY"}
    change(changing, ID=ids[:6])
    assert told_of(changing) == {"ROWS"}
    for last, objects in (({"QUERY": query}, 5), ({"ID": ids[:6]}, 6), ({"UPLOAD": "mine,param:t", "files": {"t": ("t.csv", csv)}}, 7)):
        changing = job(ID=ids[:3], clientId=client)
        change(changing, **last)
        assert session.post(f"{changing}/phase", data={"PHASE": "RUN"}).status_code == 200
        assert f"<objects>{objects}<" in done(changing), last
    listed = job(files={"t": ("t.csv", csv)}, UPLOAD="mine,param:t")
    change(listed, ID=ids[:2])
    assert told_of(listed) == {"ROWS"}
    assert session.post(f"{listed}/phase", data={"PHASE": "RUN"}).status_code == 200
    assert "<objects>2<" in done(listed)
    both = session.post(ASYNC, data={"ID": ids[0], "UPLOAD": "mine,param:t"}, files={"t": ("t.csv", csv)}, timeout=60)
    assert both.status_code == 400 and "ID is given beside UPLOAD" in both.text, both.text

    # What is wrong is told when the job is made, or by the job.
    for code, wrong in (
        (400, {"COMPRESSION": "99", "ID": ids[0]}),
        (400, {"PACKED": "perhaps", "ID": ids[0]}),
        (404, {"ID": ids[0][:-1] + ("A" if ids[0][-1] != "A" else "B")}),
        (404, {"ID": told["id"], "clientId": client}),
        (400, {"ID": ids[0], "QUERY": query}),
    ):
        answer = session.post(ASYNC, data=wrong, timeout=60)
        assert answer.status_code == code, (answer.status_code, answer.text, wrong)
    failed = job(QUERY="SELECT nothing FROM gaia.completesource", PHASE="RUN")
    assert "column 8" in done(failed, "ERROR")
    assert "rows are chosen by ID" in done(job(PHASE="RUN"), "ERROR")

    # Jobs are one's own, and cuts are listed apart from queries.
    mine = job(headers=token, QUERY=query, PHASE="RUN")
    done(mine, headers=token)
    assert session.get(mine).status_code == 404 and merged(mine).status_code == 404
    assert mine in session.get(ASYNC, headers=token).text
    assert mine.rsplit("/", 1)[1] not in session.get(f"{BASE_URL}/tap/async", headers=token).text
    assert session.get(mine.replace("/datalink/gaiamerger/async", "/tap/async"), headers=token).status_code == 404
    assert session.delete(mine, headers=token, allow_redirects=False).status_code == 303
    assert session.get(mine, headers=token).status_code == 404

if PART == "keys":
    # Whoever changes the keys is told, and says when it is done.
    print("made", flush=True)
    input()
    sound(*good)
    newer = service.run_sync("SELECT TOP 1 access_url FROM gaia.completesource ORDER BY source_id")["access_url"][0]
    assert ids_of([newer])[0] != ids[0]
    sound(ids_of([newer])[0])
    print("still good", flush=True)
    input()
    faulty(*good)
    sound(ids_of([newer])[0])

print(f"{PART}: as it should be")
