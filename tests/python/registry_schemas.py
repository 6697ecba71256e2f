"""Every document of /oai, checked against the schemas that Debian packages bring.

usage: registry_schemas.py BASE_URL FOLDER_OF_DACHS_SCHEMAS JAR_OF_STILTS
"""

import pathlib
import sys
import tempfile
import zipfile

import requests
from lxml import etree

OAI = sys.argv[1] + "/oai"
XS = "{http://www.w3.org/2001/XMLSchema}"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
NEEDED = ["OAI-PMH", "oai_dc", "simpledc20021212", "RegistryInterface", "VORegistry", "VOResource", "VODataService", "TAPRegExt", "stc", "xlink", "xml"]
# What STILTS has of these, newer or as the IVOA published them.
OF_STILTS = {"VOResource": "VOResource-v1.1", "VODataService": "VODataService-v1.2", "TAPRegExt": "TAPRegExt-v1.0-Erratum1", "stc": "stc-v1.30", "xlink": "xlink"}

dachs = {name: (pathlib.Path(sys.argv[2]) / f"{name}.xsd").read_bytes() for name in NEEDED}
with zipfile.ZipFile(sys.argv[3]) as jar:
    stilts = {name: jar.read(f"uk/ac/starlink/ttools/taplint/{file}.xsd") for name, file in OF_STILTS.items()}


def schema(files):
    """One schema of many, each of which finds the others beside it."""
    trees = {name: etree.fromstring(text, etree.XMLParser(no_network=True, load_dtd=False)) for name, text in files.items()}
    homes = {tree.get("targetNamespace"): name for name, tree in trees.items()}
    all_of_them = etree.Element(f"{XS}schema", targetNamespace="urn:all")
    with tempfile.TemporaryDirectory() as folder:
        for namespace, name in homes.items():
            etree.SubElement(all_of_them, f"{XS}import", namespace=namespace, schemaLocation=f"{name}.xsd")
            for reference in trees[name].iter(f"{XS}import"):
                reference.set("schemaLocation", f"{homes[reference.get('namespace')]}.xsd")
            (pathlib.Path(folder) / f"{name}.xsd").write_bytes(etree.tostring(trees[name]))
        joint = pathlib.Path(folder) / "all.xsd"
        joint.write_bytes(etree.tostring(all_of_them))
        return etree.XMLSchema(etree.parse(str(joint)))


schemas = {"DaCHS": schema(dachs), "STILTS": schema({**dachs, **stilts})}


def document(query):
    """The answer to a request."""
    answer = requests.get(f"{OAI}?{query}", timeout=120)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/xml"), (query, answer.text)
    return etree.fromstring(answer.content)


def faults(tree):
    """What the schemas object to."""
    return [(whose, str(error)) for whose, known in schemas.items() if not known.validate(tree) for error in known.error_log]


queries = ["verb=Identify", "verb=ListMetadataFormats", "verb=ListSets", "verb=x", "", "verb=ListRecords"]
queries += ["verb=GetRecord&metadataPrefix=ivo_vor&identifier=a%20%22b%22", "verb=GetRecord&metadataPrefix=x&identifier=ivo://org.example"]
queries += [f"verb=List{what}&metadataPrefix={how}" for what in ("Identifiers", "Records") for how in ("ivo_vor", "oai_dc", "x", "a%20b")]
queries += ["verb=ListRecords&metadataPrefix=oai_dc&set=none", "verb=ListRecords&resumptionToken=x", "verb=ListRecords&metadataPrefix=oai_dc&from=2100-01-01"]
trees = {query: document(query) for query in queries}
listed = trees["verb=ListRecords&metadataPrefix=ivo_vor"]
identifiers = listed.xpath("//*[local-name() = 'header' and not(@status)]/*[local-name() = 'identifier']/text()")
for identifier in identifiers:
    for how in ("ivo_vor", "oai_dc"):
        query = f"verb=GetRecord&metadataPrefix={how}&identifier={identifier}"
        trees[query] = document(query)
    query = f"verb=ListMetadataFormats&identifier={identifier}"
    trees[query] = document(query)
for query, tree in trees.items():
    assert not faults(tree), (query, faults(tree))

# The records by themselves, too, and what is broken in any of them is seen.
records = listed.xpath("//*[local-name() = 'Resource']")
assert len(records) == len(identifiers) >= 4, identifiers
classes = sorted(record.get(XSI_TYPE) for record in records)
assert {"vg:Registry", "vg:Authority", "vs:CatalogService", "vs:CatalogResource"} <= set(classes), classes
for record in records:
    whole = etree.tostring(record)
    assert not faults(etree.fromstring(whole)), faults(etree.fromstring(whole))
    for broken in ("content", "curation/contact", "identifier"):
        torn = etree.fromstring(whole)
        part = torn.find(broken)
        part.getparent().remove(part)
        assert {whose for whose, _ in faults(torn)} == set(schemas), broken
    for attribute, wrong in (("updated", "today"), (XSI_TYPE, "vs:Nothing")):
        torn = etree.fromstring(whole)
        torn.set(attribute, wrong)
        assert {whose for whose, _ in faults(torn)} == set(schemas), attribute

# What the service says of itself at /tap/capabilities is in its record, element for element, but for the ways to be known.
def plain(element):
    """An element's own content, whatever is around it."""
    return [(part.tag, dict(part.attrib), (part.text or "").strip()) for part in element.iter() if part.tag != "securityMethod"]


said = etree.fromstring(requests.get(f"{sys.argv[1]}/tap/capabilities", timeout=120).content)
service = next(record for record in records if record.get(XSI_TYPE) == "vs:CatalogService")
assert [plain(part) for part in said.findall("capability")] == [plain(part) for part in service.findall("capability")]
assert not service.findall(".//securityMethod") and len(said.findall(".//securityMethod")) == 4 * 3
assert [schema.findtext("name") for schema in service.findall("tableset/schema")][-1].lower() == "tap_schema"

print(f"{len(trees)} documents with {len(records)} records are valid by the schemas of {' and '.join(schemas)}")
