//! All records of the archive, made when what it holds has changed, and kept.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use spolia_adql::TapSchema;
use spolia_catalogue::{Edition, RecordHistory};
use spolia_exec::Holdings;
use tokio::sync::Mutex;

use super::resource::Resource;
use super::settings::RegistrySettings;
use super::{collection_record, dublin_core, own_records, tap_record};
use crate::fault::Fault;
use crate::service::Service;
use crate::tap::Offer;
use crate::xml::{self, Xml};

/// A record, but for its dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The record's type, with its prefix.
    pub(super) class: &'static str,
    /// What is inside of its first element.
    pub(super) content: Vec<u8>,
    /// The record in Dublin Core.
    pub(super) dublin_core: Vec<u8>,
}

/// Records by their identifiers.
pub(super) type Records = BTreeMap<String, Record>;

/// The registry's settings, and its records of the archive's newest edition.
pub(crate) struct Registry {
    pub(super) settings: RegistrySettings,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    edition: Option<Edition>,
    records: Arc<Records>,
    digests: Arc<BTreeMap<String, String>>,
}

impl Registry {
    /// A registry without records yet.
    pub(crate) fn new(settings: RegistrySettings) -> Self {
        Self { settings, kept: Mutex::new(None) }
    }

    /// The records as everybody may see them, and their dates.
    ///
    /// # Errors
    /// [`Fault`] when the control node fails: a record is gone only where that is known.
    pub(super) async fn records(&self, service: &Service) -> Result<(Arc<Records>, RecordHistory), Fault> {
        let edition = service.archive.edition().await?;
        // Held while records are made, so that many who come at once make them once.
        let mut kept = self.kept.lock().await;
        let known = kept.as_ref().filter(|kept| kept.edition == edition);
        let (records, digests) = match known {
            Some(kept) => (Arc::clone(&kept.records), Arc::clone(&kept.digests)),
            None => {
                let records = Arc::new(self.make(service).await?);
                let digests: BTreeMap<_, _> =
                    records.iter().map(|(name, record)| (name.clone(), digest(record))).collect();
                let digests = Arc::new(digests);
                *kept = Some(Kept { edition, records: Arc::clone(&records), digests: Arc::clone(&digests) });
                (records, digests)
            }
        };
        drop(kept);
        let history = service.archive.router().control().note_registry_records(&digests).await;
        Ok((records, history.map_err(spolia_exec::ExecError::from)?))
    }

    async fn make(&self, service: &Service) -> Result<Records, Fault> {
        let holdings = service.archive.holdings().await?;
        let schema = service.archive.tap_schema().await?;
        for name in self.settings.collections.keys() {
            if !holdings.iter().any(|holdings| holdings.collection.name == *name) {
                tracing::warn!(collection = name, "[registry.collections] names a collection that is not published");
            }
        }
        let offer = Offer::of(service, schema.table("ivoa.obscore").is_some());
        let made = make(&self.settings, offer, &holdings, &schema);
        made.map_err(|error| Fault::internal("write its registry records", &error))
    }
}

fn make(
    settings: &RegistrySettings,
    offer: Offer<'_>,
    holdings: &[Holdings],
    schema: &TapSchema,
) -> io::Result<Records> {
    let (base_url, mut records) = (offer.base_url, Records::new());
    let mut add = |resource: &Resource<'_>, rest: &dyn Fn(&mut Xml) -> io::Result<()>| -> io::Result<()> {
        let content = xml::fragment(|xml| {
            resource.write(xml)?;
            rest(xml)
        })?;
        let dublin_core = xml::fragment(|xml| dublin_core::write(xml, resource))?;
        records.insert(resource.identifier.clone(), Record { class: resource.class, content, dublin_core });
        Ok(())
    };
    add(&own_records::authority(settings, base_url), &|xml| own_records::write_authority(xml, settings))?;
    let registry = own_records::registry(settings, base_url);
    add(&registry, &|xml| own_records::write_registry(xml, &registry, settings, base_url))?;
    let tap = tap_record::tap(settings, base_url, holdings);
    let rows = holdings.iter().flat_map(|holdings| holdings.rows.clone()).collect();
    add(&tap, &|xml| tap_record::write(xml, &tap, offer, schema, &rows))?;
    for holdings in holdings {
        let collection = collection_record::collection(settings, base_url, holdings);
        add(&collection, &|xml| collection_record::write(xml, &collection, base_url, holdings, schema))?;
    }
    Ok(records)
}

/// Tells a record from what it was before.
fn digest(record: &Record) -> String {
    let mut hash = Sha256::new();
    for part in [record.class.as_bytes(), &record.content, &record.dublin_core] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use spolia_sky::PixelRanges;

    use super::super::settings::tests::settings;
    use super::*;
    use crate::settings::ServerSettings;

    fn holdings(name: &str, rows: u64) -> Holdings {
        let collection = format!(r#"{{"name": "{name}", "description": "All of {name}", "table": []}}"#);
        let moment = DateTime::UNIX_EPOCH;
        Holdings {
            collection: serde_json::from_str(&collection).unwrap(),
            rows: BTreeMap::from([(format!("{name}.t"), rows)]),
            coverage: PixelRanges::new(6, vec![4..8]),
            available: moment,
            updated: moment,
        }
    }

    fn made(holdings: &[Holdings]) -> Records {
        let table =
            |name: &str| spolia_adql::Table { name: format!("{name}.t"), description: None, columns: Vec::new() };
        let schema = |held: &Holdings| spolia_adql::Schema {
            name: held.collection.name.clone(),
            description: None,
            tables: vec![table(&held.collection.name)],
        };
        let schema = TapSchema { schemas: holdings.iter().map(schema).collect(), keys: Vec::new() };
        let server = ServerSettings::default();
        let offer = Offer { base_url: "http://a.example", settings: &server, products: false, user_tables: true };
        make(&settings(), offer, holdings, &schema).unwrap()
    }

    #[track_caller]
    fn has(records: &Records, identifier: &str, parts: &[&str]) {
        let content = String::from_utf8(records[identifier].content.clone()).unwrap();
        parts.iter().for_each(|part| assert!(content.contains(part), "{part} is not in\n{content}"));
    }

    #[test]
    fn an_archive_without_data_has_its_own_records() {
        let records = made(&[]);
        let expect = ["ivo://org.example", "ivo://org.example/registry", "ivo://org.example/tap"];
        assert_eq!(records.keys().collect::<Vec<_>>(), expect);
        has(&records, "ivo://org.example", &["<managingOrg>Example Observatory</managingOrg>", "Example Auth"]);
        has(&records, "ivo://org.example/registry", &["<maxRecords>100</maxRecords>", "http://a.example/oai"]);
        has(&records, "ivo://org.example/tap", &["Stars &amp; their transits", "xsi:type=\"tr:TableAccess\""]);
    }

    #[test]
    fn collections_say_what_they_hold_and_who_serves_them() {
        let records = made(&[holdings("gaia", 7), holdings("tap", 8)]);
        has(
            &records,
            "ivo://org.example/gaia",
            &[
                "<title>Example Archive: gaia</title>",
                "<description>All of gaia</description>",
                "<nrows>7</nrows>",
                "<spatial>5/1</spatial>",
                "<relatedResource ivo-id=\"ivo://org.example/tap\">",
                "standardID=\"ivo://ivoa.net/std/TAP#aux\"",
            ],
        );
        // A name that a service has already.
        has(&records, "ivo://org.example/collection/tap", &["<name>tap.t</name>"]);
        has(&records, "ivo://org.example/tap", &["ivo-id=\"ivo://org.example/collection/tap\""]);
    }

    #[test]
    fn a_record_that_says_something_else_has_another_digest() {
        let [before, same, after] = [7, 7, 8].map(|rows| made(&[holdings("gaia", rows)]));
        let changed = |other: &Records| {
            let differs = |(identifier, record): (&String, &Record)| {
                (digest(record) != digest(&before[identifier])).then(|| identifier.clone())
            };
            other.iter().filter_map(differs).collect::<Vec<_>>()
        };
        assert!(changed(&same).is_empty());
        assert_eq!(changed(&after), ["ivo://org.example/gaia", "ivo://org.example/tap"]);
    }
}
