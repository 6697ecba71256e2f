"""A publishing registry, harvested with oaipmh-scythe and by hand.

usage: registry.py BASE_URL
"""

import sys
from datetime import datetime, timedelta, timezone

import requests
from lxml import etree
from oaipmh_scythe import Scythe
from oaipmh_scythe.exceptions import BadArgument, BadResumptionToken, CannotDisseminateFormat, IdDoesNotExist, NoRecordsMatch

OAI = sys.argv[1] + "/oai"
NAMESPACES = {"oai": "http://www.openarchives.org/OAI/2.0/", "ri": "http://www.ivoa.net/xml/RegistryInterface/v1.0", "dc": "http://purl.org/dc/elements/1.1/"}
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
RECORDS = ["ivo://org.example", "ivo://org.example/gaia", "ivo://org.example/registry", "ivo://org.example/tap"]


def find(tree, path):
    """What a path leads to, texts and elements."""
    return tree.xpath(path, namespaces=NAMESPACES)


def ask(how="get", **arguments):
    """A request as it is, and its answer."""
    more = {"params": arguments} if how == "get" else {"data": arguments}
    answer = getattr(requests, how)(OAI, timeout=120, **more)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/xml"), answer.text
    return etree.fromstring(answer.content)


def code(how="get", **arguments):
    """The error that a request is answered with."""
    return find(ask(how, **arguments), "string(//oai:error/@code)")


def refused(error, act):
    """The client is told that by an error of its kind."""
    try:
        list(act()) if hasattr(act(), "__next__") else act()
    except error:
        return
    raise AssertionError(error)


with Scythe(OAI) as scythe:
    # 1. What it says of itself, with its own record in it.
    identify = scythe.identify()
    assert identify.repositoryName == "Example Archive" and identify.baseURL == OAI, dict(identify)
    assert (identify.protocolVersion, identify.deletedRecord, identify.granularity) == ("2.0", "persistent", "YYYY-MM-DDThh:mm:ssZ")
    own = find(identify.xml, "//ri:Resource")[0]
    assert own.get(XSI_TYPE) == "vg:Registry" and own.findtext("identifier") == "ivo://org.example/registry"
    assert own.findtext("capability/interface/accessURL") == OAI and own.findtext("managedAuthority") == "org.example"
    assert sorted(form.metadataPrefix for form in scythe.list_metadata_formats()) == ["ivo_vor", "oai_dc"]
    assert [known.setSpec for known in scythe.list_sets()] == ["ivo_managed"]

    # 2. All records, in parts of two, in both formats; headers agree with the records.
    for form in ("ivo_vor", "oai_dc"):
        headers = {header.identifier: header.datestamp for header in scythe.list_identifiers(metadata_prefix=form, set_="ivo_managed")}
        assert sorted(headers) == RECORDS, headers
        records = {record.header.identifier: record for record in scythe.list_records(metadata_prefix=form, set_="ivo_managed")}
        assert sorted(records) == RECORDS, records
        for identifier, record in records.items():
            assert record.header.datestamp == headers[identifier] and record.header.setSpecs == ["ivo_managed"]
            alone = scythe.get_record(identifier=identifier, metadata_prefix=form)
            assert alone.header.datestamp == headers[identifier]
            if form == "ivo_vor":
                resource = find(alone.xml, ".//ri:Resource")[0]
                assert resource.findtext("identifier") == identifier
                assert resource.get("created") <= resource.get("updated") == headers[identifier] and resource.get("status") == "active"
            else:
                assert identifier in find(alone.xml, ".//dc:identifier/text()")
    parts = ask(verb="ListRecords", metadataPrefix="oai_dc")
    assert len(find(parts, "//oai:record")) == 2 and find(parts, "string(//oai:resumptionToken/@completeListSize)") == "4"

    # 3. Only what has changed since.
    newest = datetime.fromisoformat(max(headers.values()))
    later = (newest + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    refused(NoRecordsMatch, lambda: scythe.list_identifiers(metadata_prefix="oai_dc", from_=later))
    refused(NoRecordsMatch, lambda: scythe.list_identifiers(metadata_prefix="oai_dc", until="2001-01-01"))
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    assert len(list(scythe.list_identifiers(metadata_prefix="oai_dc", from_="2001-01-01", until=today))) == 4

    # 4. What the client makes of what is wrong.
    refused(IdDoesNotExist, lambda: scythe.get_record(identifier="ivo://org.example/nothing", metadata_prefix="oai_dc"))
    refused(CannotDisseminateFormat, lambda: scythe.get_record(identifier=RECORDS[0], metadata_prefix="marc"))
    refused(NoRecordsMatch, lambda: scythe.list_records(metadata_prefix="ivo_vor", set_="other"))
    refused(BadResumptionToken, lambda: scythe.list_records(resumption_token="x"))
    refused(BadArgument, lambda: scythe.list_records(metadata_prefix="ivo_vor", from_="yesterday"))

# 5. By hand: GET and POST, upper and lower case of identifiers, and errors that clients like that one do not make.
for how in ("get", "post"):
    answer = ask(how, verb="GetRecord", metadataPrefix="ivo_vor", identifier="IVO://ORG.Example/Gaia")
    gaia = find(answer, "//ri:Resource")[0]
    assert dict(find(answer, "//oai:request")[0].attrib) == {"verb": "GetRecord", "metadataPrefix": "ivo_vor", "identifier": "IVO://ORG.Example/Gaia"}
    assert code(how) == code(how, verb="identify") == "badVerb"
    assert code(how, verb="Identify", set="x") == code(how, verb="ListRecords") == "badArgument"
assert code(verb=["Identify", "Identify"]) == "badVerb"
assert code(verb="ListMetadataFormats", identifier="no \"one\"") == "idDoesNotExist"
assert requests.post(OAI, data="x" * (2 << 20), headers={"content-type": "application/x-www-form-urlencoded"}, timeout=120).status_code == 413

# 6. The collection as the settings and the data describe it; nobody sees what not everybody may query.
assert gaia.get(XSI_TYPE) == "vs:CatalogResource" and gaia.findtext("title") == "Gaia for trials"
assert gaia.findtext("altIdentifier") == "doi:10.1234/gaia" and gaia.findtext("facility") == "Gaia"
assert [part.get("standardID") for part in gaia.findall("capability")] == ["ivo://ivoa.net/std/TAP#aux"]
assert gaia.find("content/relationship/relatedResource").get("ivo-id") == "ivo://org.example/tap"
assert gaia.findtext("coverage/spatial").startswith("6/") and gaia.findtext("coverage/waveband") == "Optical"
tables = {table.findtext("name"): table.findtext("nrows") for table in gaia.iter("table")}
assert tables["gaia.completesource"] == "300" and tables["gaia.astroelementary"] == "3000", tables
assert gaia.find("tableset/schema/table/foreignKey") is not None or gaia.find(".//foreignKey") is not None
print("the registry is harvested")
