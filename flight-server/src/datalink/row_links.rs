//! The links of a row, and of a selection of rows. DataLink 1.1 section 3.2.

use spolia_catalogue::Collection;
use spolia_exec::{Act, RowLink, SelectionId};

use super::columns::{Link, OpenTo};
use super::rows::{Place, Places, link_id};
use super::{HDF5, preview, services};
use crate::fault::Fault;

const VOTABLE: &str = "application/x-votable+xml";
const XML: &str = "application/xml";
/// What the link to the service says of itself.
const CHOICES: &str = "Cut & Merge with a choice of fields, form and compression";

/// The row that says why an id has no links.
pub(super) fn faulty(id: &str, fault: &Fault) -> Link {
    let error_message = Some(fault.datalink_message());
    Link { id: id.to_owned(), error_message, semantics: "#this", ..Link::default() }
}

/// Makes links for one client.
pub(super) struct Maker<'a> {
    pub(super) base_url: &'a str,
    pub(super) client: &'a str,
    /// Who may do what with a collection: everybody, and whoever asks.
    pub(super) may: &'a dyn Fn(&str, Act) -> (bool, bool),
    /// File names are told apart by their collection.
    pub(super) several: bool,
}

impl Maker<'_> {
    /// The links of a row: `#this`, `#progenitor`, `#counterpart` where there is one, `#cutout`, `#preview` where it can be, `#documentation`.
    pub(super) fn of_row(&self, given: &str, row: RowLink, place: Option<Place<'_>>) -> Vec<Link> {
        let Some(place) = place else {
            return vec![faulty(given, &Fault::not_found(format!("row {} is no longer in the archive", row.id)))];
        };
        let id = link_id(given);
        let link = self.factory(given, vec![place]);
        let call = |resource: &str| self.call(resource, &id);
        let this = link(Act::Cut, "#this", "cut-and-merge", "Cut & Merge (from progenitor)", HDF5);
        let file = link(Act::File, "#progenitor", "file", "Original progenitor dataset", HDF5);
        let mut links = vec![
            Link { access_url: call("gaiamerger"), ..this },
            Link { access_url: Some(self.file_url(place)), content_length: Some(place.file.file.size), ..file },
        ];
        if place.transits().is_some() {
            let transits = link(Act::Query, "#counterpart", "transits", "Link to transits", VOTABLE);
            links.push(Link { access_url: call("transits"), ..transits });
        } else if place.sources().is_some() {
            let source = link(Act::Query, "#counterpart", "source", "Link to the source", VOTABLE);
            links.push(Link { access_url: call("sources"), ..source });
        }
        let cutout = link(Act::Cut, "#cutout", "cut-and-merge-with-choices", CHOICES, HDF5);
        links.push(Link { service_def: Some(services::CUT), ..cutout });
        if let Some(shows) = preview::shows(place.table) {
            let plot = link(Act::Query, "#preview", "plot", &shows, preview::PNG);
            links.push(Link { access_url: call("preview"), ..plot });
        }
        links.push(self.documentation(place, link(Act::Query, "#documentation", "columns", "", XML)));
        links
    }

    /// Makes links, but for where they lead, of an id that stands for rows in these places.
    fn factory<'p>(
        &'p self,
        given: &'p str,
        places: Vec<Place<'p>>,
    ) -> impl Fn(Act, &'static str, &'static str, &str, &'static str) -> Link + 'p {
        move |act, semantics, local_semantics, description, content_type| Link {
            id: given.to_owned(),
            description: Some(description.to_owned()),
            semantics,
            content_type: Some(content_type),
            local_semantics: Some(local_semantics),
            open_to: self.open_to(places.iter().copied(), act),
            ..Link::default()
        }
    }

    /// What tells people of the row: the collection's own page, or what its columns mean.
    fn documentation(&self, place: Place<'_>, link: Link) -> Link {
        let Collection { name, reference_url, .. } = place.collection;
        match reference_url {
            Some(url) => {
                let description = Some(format!("More about {name}"));
                Link { access_url: Some(url.clone()), description, content_type: Some("text/html"), ..link }
            }
            None => {
                let table = format!("{name}.{}", place.table.name);
                let description = Some(format!("What the columns of {table} mean"));
                Link { access_url: Some(format!("{}/tap/tables/{table}", self.base_url)), description, ..link }
            }
        }
    }

    /// The links of a selection: `#this`, `#counterpart` where its rows have one in common, and `#cutout`. `rows` are as many of its rows
    /// as are looked at.
    pub(super) fn of_selection(
        &self,
        given: &str,
        selection: &SelectionId,
        rows: &[i64],
        places: &Places,
    ) -> Vec<Link> {
        let id = link_id(given);
        let of_rows: Vec<Place<'_>> = rows.iter().filter_map(|row| places.place(*row)).collect();
        let count = selection.count();
        let link = self.factory(given, of_rows.clone());
        let call = |resource: &str| self.call(resource, &id);
        let this = link(Act::Cut, "#this", "cut-and-merge", &format!("Cut & Merge of all {count} rows"), HDF5);
        let mut links = vec![Link { access_url: call("gaiamerger"), ..this }];
        // What not all rows have would fail.
        let have =
            |what: fn(&Place<'_>) -> bool| !of_rows.is_empty() && rows.len() == count && of_rows.iter().all(what);
        if have(|place| place.transits().is_some()) {
            let transits = link(Act::Query, "#counterpart", "transits", "Link to their transits", VOTABLE);
            links.push(Link { access_url: call("transits"), ..transits });
        } else if have(|place| place.sources().is_some()) {
            let sources = link(Act::Query, "#counterpart", "source", "Link to their sources", VOTABLE);
            links.push(Link { access_url: call("sources"), ..sources });
        }
        let cutout = link(Act::Cut, "#cutout", "cut-and-merge-with-choices", CHOICES, HDF5);
        links.push(Link { service_def: Some(services::CUT), ..cutout });
        links
    }

    /// The link to Cut & Merge of all rows that the client has opened so far, under the id of one of them.
    pub(super) fn of_basket(&self, given: &str, basket: &str, count: usize, of_row: &Link) -> Link {
        Link {
            id: given.to_owned(),
            access_url: self.call("gaiamerger", basket),
            description: Some(format!("Cut & Merge of the {count} rows opened so far")),
            semantics: "#cutout",
            content_type: Some(HDF5),
            local_semantics: Some("cut-and-merge-of-opened-rows"),
            open_to: of_row.open_to,
            ..Link::default()
        }
    }

    fn call(&self, resource: &str, id: &str) -> Option<String> {
        let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
        Some(format!("{}/datalink/{resource}?id={id}&clientId={}", self.base_url, self.client))
    }

    /// Who may do that with the collections of all these rows.
    fn open_to<'p>(&self, places: impl IntoIterator<Item = Place<'p>>, act: Act) -> OpenTo {
        let mut collections: Vec<&str> = places.into_iter().map(|place| place.collection.name.as_str()).collect();
        collections.dedup();
        let may = collections.into_iter().map(|collection| (self.may)(collection, act));
        let (all, asker) =
            may.fold((true, true), |(all, asker), (may_all, may_asker)| (all && may_all, asker && may_asker));
        OpenTo { all, asker }
    }

    /// The whole file, in the version that the row came from.
    fn file_url(&self, place: Place<'_>) -> String {
        let file = &place.file.file;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("name", &format!("{}{}", file.file_name, file.file_extension));
        query.append_pair("version", &file.file_version.to_string());
        if self.several {
            query.append_pair("collection", &file.collection);
        }
        format!("{}/api/files?{}", self.base_url, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use spolia_catalogue::{ArchivedFile, FileState, NewFile, TableDef};

    use super::*;

    fn collection() -> Collection {
        let table = |name: &str, transits_of: Option<&str>| TableDef {
            name: name.to_owned(),
            description: String::new(),
            class: String::new(),
            object: String::new(),
            shard_key: "source_id".to_owned(),
            replicated: false,
            position: None,
            margin_arcsec: None,
            transits_of: transits_of.map(str::to_owned),
            bounded: Vec::new(),
            preview: None,
            obscore: None,
            columns: Vec::new(),
        };
        let tables = vec![table("source", None), table("transit", Some("source")), table("other", None)];
        let (name, description, reference_url) = ("gaia".to_owned(), String::new(), None);
        Collection { name, description, reference_url, tables, examples: Vec::new() }
    }

    fn file(name: &str) -> ArchivedFile {
        let file = NewFile {
            collection: "gaia".to_owned(),
            table_name: String::new(),
            file_name: name.to_owned(),
            file_extension: ".h5".to_owned(),
            file_version: 2,
            did_rse: String::new(),
            did_scope: String::new(),
            did_name: String::new(),
            checksum: String::new(),
            adler32: String::new(),
            size: 77,
            location: String::new(),
        };
        ArchivedFile { file_id: 1, file, objects: None, batch: 1, state: FileState::Loaded, superseded: None }
    }

    fn links(table: &str) -> Vec<Link> {
        let (collection, file) = (collection(), file("A & B"));
        let place = Place { file: &file, collection: &collection, table: collection.table(table).unwrap() };
        let maker =
            Maker { base_url: "http://h", client: "c", may: &|_, act| (act != Act::File, true), several: false };
        maker.of_row("X", RowLink { epoch: 1, id: 1 << 32 }, Some(place))
    }

    #[test]
    fn a_source_has_the_three_links_of_the_reference_archive() {
        let found: Vec<_> = links("source")
            .into_iter()
            .take(3)
            .map(|link| (link.semantics, link.description.unwrap(), link.access_url.unwrap(), link.content_length))
            .collect();
        let expect = [
            (
                "#this",
                "Cut & Merge (from progenitor)".to_owned(),
                "http://h/datalink/gaiamerger?id=X&clientId=c".to_owned(),
                None,
            ),
            (
                "#progenitor",
                "Original progenitor dataset".to_owned(),
                "http://h/api/files?name=A+%26+B.h5&version=2".to_owned(),
                Some(77),
            ),
            (
                "#counterpart",
                "Link to transits".to_owned(),
                "http://h/datalink/transits?id=X&clientId=c".to_owned(),
                None,
            ),
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn a_transit_leads_to_its_source_and_others_to_neither() {
        let counterpart = links("transit").remove(2);
        assert_eq!(counterpart.access_url.as_deref(), Some("http://h/datalink/sources?id=X&clientId=c"));
        assert_eq!(links("other").len(), 4);
        let documentation = links("other").pop().unwrap();
        assert_eq!(documentation.access_url.as_deref(), Some("http://h/tap/tables/gaia.other"));
    }

    #[test]
    fn each_link_leads_one_way_and_says_who_may_follow_it() {
        for link in links("source") {
            assert_eq!(usize::from(link.access_url.is_some()) + usize::from(link.service_def.is_some()), 1, "{link:?}");
            assert_eq!(link.open_to.all, link.semantics != "#progenitor", "{link:?}");
        }
    }

    #[test]
    fn a_row_that_is_gone_is_told() {
        let maker =
            Maker { base_url: "http://h", client: "c", may: &|_, act| (act != Act::File, true), several: false };
        let links = maker.of_row("X", RowLink { epoch: 1, id: 5 }, None);
        assert_eq!((links.len(), links[0].semantics, &links[0].access_url), (1, "#this", &None));
        assert!(links[0].error_message.as_deref().unwrap().starts_with("NotFoundFault: "));
    }
}
