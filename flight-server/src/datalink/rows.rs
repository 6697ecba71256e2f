//! From the ids of a request to rows of the archive, and the files and tables they are in.

use std::collections::BTreeMap;

use spolia_catalogue::{ArchivedFile, Collection, TableDef};
use spolia_exec::{Act, LinkError, RowLink, SelectedRows, SelectionId};

use super::identifier;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::service::{Service, client_id};
use crate::uws::JobKind;

/// A row id's upper half is the number of its file.
const FILE_SHIFT: u32 = 32;

/// The ids of a request as they were given, doubles left out.
pub(crate) fn given_ids(parameters: &Parameters) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    parameters.all("ID").map(str::trim).filter(|id| !id.is_empty() && seen.insert(*id)).collect()
}

/// The client id: of the request, or else of the first access_url that is given as an id, or else a new one.
pub(crate) fn client(parameters: &Parameters) -> String {
    client_id(given_client(parameters).as_deref())
}

/// Whether the request says by which client it is.
pub(crate) fn is_client_given(parameters: &Parameters) -> bool {
    given_client(parameters).is_some()
}

fn given_client(parameters: &Parameters) -> Option<String> {
    let of_url = || parameters.all("ID").find_map(|id| in_url(id, "CLIENTID"));
    parameters.all("CLIENTID").next().map(str::to_owned).or_else(of_url)
}

/// What an id stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given {
    Row(RowLink),
    Selection(SelectionId),
}

/// What an id stands for. It may be given as a whole access_url, as service descriptors do, or be a row's permanent identifier.
///
/// # Errors
/// [`Fault`] for an id that this archive did not make, or not for this client.
pub(crate) async fn given(service: &Service, id: &str, client: &str) -> Result<Given, Fault> {
    if identifier::is_one(id) {
        return identifier::row(service, id).await.map(Given::Row);
    }
    let id = link_id(id);
    match service.archive.verify_link(&id) {
        Ok(row) => Ok(Given::Row(row)),
        // Ids of selections have another length.
        Err(LinkError::Malformed(_)) => service.archive.verify_selection(&id, client).map(Given::Selection),
        Err(error) => Err(error),
    }
    .map_err(|error| Fault::not_found(error.to_string()))
}

/// The link id in what was given.
pub(crate) fn link_id(given: &str) -> String {
    in_url(given, "ID").unwrap_or_else(|| given.to_owned())
}

/// The value of a parameter, where the text is a URL.
fn in_url(text: &str, name: &str) -> Option<String> {
    let (_, query) = text.split_once("://")?.1.split_once('?')?;
    let mut parameters = Parameters::default();
    parameters.add(query.as_bytes()).ok()?;
    parameters.all(name).next().map(str::to_owned)
}

/// The rows of a request that makes no sense without every one of them, in the newest epoch that one of them was seen in.
///
/// # Errors
/// [`Fault`] for no id, more than `most` rows, or an id that this archive did not make for this client or has forgotten.
pub(crate) async fn all_rows(
    service: &Service,
    parameters: &Parameters,
    client: &str,
    most: usize,
) -> Result<SelectedRows, Fault> {
    let ids = given_ids(parameters);
    if ids.is_empty() {
        return Err(Fault::usage("id is missing: give it the id of a row's access_url, or repeat it for several rows"));
    }
    let (mut epoch, mut rows) = (0, Vec::new());
    for id in ids {
        match given(service, id, client).await? {
            Given::Row(row) => {
                rows.push(row.id);
                epoch = epoch.max(row.epoch);
            }
            Given::Selection(selection) => {
                within(rows.len() + selection.count(), most)?;
                let selected = service.archive.selected(&selection, client).await?;
                rows.extend(selected.ids);
                epoch = epoch.max(selected.epoch);
            }
        }
        within(rows.len(), most)?;
    }
    Ok(SelectedRows::new(epoch, rows))
}

fn within(rows: usize, most: usize) -> Result<(), Fault> {
    if rows <= most {
        return Ok(());
    }
    let jobs = JobKind::Cut.path();
    Err(Fault::usage(format!(
        "{rows} rows are given; this takes at most {most} at once (a cut of more is a job: {jobs})"
    )))
}

/// The files of rows, and the collections their tables belong to.
pub(crate) struct Places {
    files: BTreeMap<i32, ArchivedFile>,
    collections: Vec<Collection>,
}

/// Where one row is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a ArchivedFile,
    pub(crate) collection: &'a Collection,
    pub(crate) table: &'a TableDef,
}

impl Places {
    /// Looks up the files of these rows.
    ///
    /// # Errors
    /// [`Fault`] when the control database fails.
    pub(crate) async fn of(service: &Service, rows: impl Iterator<Item = i64>) -> Result<Self, Fault> {
        let mut numbers: Vec<i32> = rows.map(|id| (id >> FILE_SHIFT) as i32).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let control = service.archive.router().control();
        let failed = |error| Fault::from(spolia_exec::ExecError::Catalogue(error));
        let files = control.files(&numbers).await.map_err(failed)?;
        let collections = service.archive.collections(Act::Query).await?;
        Ok(Self { files: files.into_iter().map(|file| (file.file_id, file)).collect(), collections })
    }

    /// Where a row is.
    pub(crate) fn place(&self, row: i64) -> Option<Place<'_>> {
        let file = self.files.get(&((row >> FILE_SHIFT) as i32))?;
        let collection = self.collections.iter().find(|collection| collection.name == file.file.collection)?;
        Some(Place { file, collection, table: collection.table(&file.file.table_name)? })
    }

    /// True when a file name alone may be ambiguous.
    pub(crate) fn several_collections(&self) -> bool {
        self.collections.len() > 1
    }
}

impl Place<'_> {
    /// The table whose rows belong to this one's: its transits.
    pub(crate) fn transits(&self) -> Option<&TableDef> {
        self.collection.tables.iter().find(|table| table.transits_of.as_ref() == Some(&self.table.name))
    }

    /// The table that this one's rows belong to: their sources.
    pub(crate) fn sources(&self) -> Option<&TableDef> {
        self.collection.table(self.table.transits_of.as_ref()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_given_as_its_access_url() {
        assert_eq!(link_id("AAEAAA"), "AAEAAA");
        assert_eq!(link_id("http://localhost:3000/datalink?id=AAEAAA&clientId=c1"), "AAEAAA");
        assert_eq!(link_id("http://localhost:3000/datalink"), "http://localhost:3000/datalink");
        assert_eq!(link_id("../../etc/passwd?id=1"), "../../etc/passwd?id=1");
    }

    #[test]
    fn the_client_is_carried_on() {
        assert_eq!(client(&Parameters::from("id=a&clientId=c1")), "c1");
        assert_eq!(client(&Parameters::from("ID=http%3A%2F%2Fh%2Fdatalink%3Fid%3Da%26clientId%3Dc2")), "c2");
        assert_eq!(client(&Parameters::from("id=a")).len(), 36);
    }

    #[test]
    fn an_id_given_twice_counts_once() {
        assert_eq!(given_ids(&Parameters::from("id=b&ID=a&id=b&id=")), ["b", "a"]);
    }
}
