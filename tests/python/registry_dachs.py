"""A publishing registry, harvested and validated with DaCHS.

usage: registry_dachs.py BASE_URL
"""

import sys
import urllib.request

from gavo.helpers import testtricks
from gavo.protocols import oaiclient

OAI = sys.argv[1] + "/oai"

server = oaiclient.getServerProperties(OAI)
assert (server.repositoryName, server.baseURL, server.protocolVersion) == ("Example Archive", OAI, "2.0"), vars(server)
assert server.adminEmails == ["archive@example.org"] and server.granularity == "YYYY-MM-DDThh:mm:ssZ", vars(server)

headers = {header["id"]: header["date"] for header in oaiclient.getIdentifiers(OAI, set="ivo_managed")}
records = {record["id"]: record for record in oaiclient.getRecords(OAI, set="ivo_managed")}
assert set(headers) == set(records) and len(records) == 4, (headers, records)
for identifier, record in records.items():
    assert record["date"] == headers[identifier] and record["contact.email"] == "archive@example.org", record
gaia = records["ivo://org.example/gaia"]
assert gaia["title"] == "Gaia for trials" and gaia["source"] == "2023A&A...674A...1G", gaia
assert gaia["name"] == ["Lovelace, A.", "Herschel, C."] and gaia["accessURL"] == [f"{sys.argv[1]}/tap"], gaia
assert oaiclient.getRecords(OAI, set="other") == []

for query in ("verb=Identify", "verb=ListSets", "verb=ListRecords&metadataPrefix=ivo_vor", "verb=ListRecords&metadataPrefix=oai_dc", "verb=x"):
    document = urllib.request.urlopen(f"{OAI}?{query}").read()
    assert not testtricks.getXSDErrors(document), (query, testtricks.getXSDErrors(document))
print(f"DaCHS harvests {len(records)} records")
