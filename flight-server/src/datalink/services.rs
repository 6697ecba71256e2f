//! The services of this archive that take rows, as results and tables of links describe them. DataLink 1.1 section 4.

use spolia_formats::{Param, ServiceDescriptor};

use super::{HDF5, LINKS_CONTENT_TYPE, LINKS_STANDARD};
use crate::service::Service;
use crate::uws::JobKind;

/// The XML id of the Cut & Merge service, which links refer to.
pub(crate) const CUT: &str = "cut";

/// The links of rows; `column` has their ids, or the client gives them.
pub(crate) fn links(service: &Service, id: &str, name: &str, column: Option<&str>) -> ServiceDescriptor {
    ServiceDescriptor {
        id: id.to_owned(),
        name: name.to_owned(),
        description: Some("What belongs to a row: its Cut & Merge, its file, its counterparts".to_owned()),
        access_url: format!("{}/datalink/links", service.base_url),
        standard_id: Some(LINKS_STANDARD.to_owned()),
        content_type: Some(LINKS_CONTENT_TYPE.to_owned()),
        params: vec![row_id(column)],
    }
}

/// Cut & Merge of rows, with all its choices, while the client waits.
pub(crate) fn cut(service: &Service, ids: Ids<'_>) -> ServiceDescriptor {
    ServiceDescriptor {
        id: CUT.to_owned(),
        name: "Cut & Merge".to_owned(),
        description: Some("One small HDF5 file with just the chosen objects, cut out of their files".to_owned()),
        ..cut_of(service, ids.params())
    }
}

/// The same as a job of UWS 1.1, for more than one waits for.
pub(crate) fn cut_job(service: &Service, ids: Ids<'_>) -> ServiceDescriptor {
    let run = Param::fixed("PHASE", "RUN", "Asks the job to run as soon as it is made");
    ServiceDescriptor {
        id: "cut-job".to_owned(),
        name: "Cut & Merge as a job".to_owned(),
        description: Some("The same as a UWS job, whose result is the file; for many objects".to_owned()),
        access_url: format!("{}{}", service.base_url, JobKind::Cut.path()),
        content_type: Some("application/xml".to_owned()),
        ..cut_of(service, ids.params().into_iter().chain([run]))
    }
}

/// Cut & Merge of all that a query finds.
pub(crate) fn cut_query(service: &Service, adql: &str) -> ServiceDescriptor {
    let query = Param::fixed("QUERY", adql, "The query whose rows are cut");
    ServiceDescriptor {
        id: "cut-query".to_owned(),
        name: "Cut & Merge of all rows of the query".to_owned(),
        description: Some("One HDF5 file with the objects of all rows that the query finds".to_owned()),
        ..cut_of(service, [query])
    }
}

/// Cut & Merge of what `chosen` says.
fn cut_of(service: &Service, chosen: impl IntoIterator<Item = Param>) -> ServiceDescriptor {
    ServiceDescriptor {
        id: String::new(),
        name: String::new(),
        description: None,
        access_url: format!("{}/datalink/gaiamerger", service.base_url),
        standard_id: None,
        content_type: Some(HDF5.to_owned()),
        params: chosen.into_iter().chain(choices()).collect(),
    }
}

/// Where the ids of rows are.
#[derive(Clone, Copy)]
pub(crate) struct Ids<'a> {
    /// The column that has them.
    pub(crate) column: &'a str,
    /// The client that they hold for, where they do not say it themselves.
    pub(crate) client: Option<&'a str>,
}

impl Ids<'_> {
    fn params(self) -> Vec<Param> {
        let client =
            self.client.map(|client| Param::fixed("CLIENTID", client, "The client that ids of selections hold for"));
        [row_id(Some(self.column))].into_iter().chain(client).collect()
    }
}

/// What can be chosen of a cut.
fn choices() -> Vec<Param> {
    let flag = |name, description| Param::text(name, description).one_of(&["false", "true"]);
    vec![
        Param::text("FIELD", "The fields to take of each object, divided by commas; all where none is given"),
        flag("WITH_TRANSITS", "Whether the transits of chosen sources come along"),
        flag("KEEP_UNMATCHED", "Whether transits stay whose source is not chosen"),
        flag("PACKED", "Whether objects become rows of columns"),
        Param::text("COMPRESSION", "How hard columns are compressed: 1 is fast, 9 small; none where it is not given")
            .between(1, 9),
    ]
}

fn row_id(column: Option<&str>) -> Param {
    let id = Param::text("ID", "The access_url of a row, or the id in it; repeat it for more rows");
    column.map_or(id.clone(), |column| id.from_column(column))
}
