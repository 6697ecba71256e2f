//! The permanent identifiers of rows: `ivo://<authority>/<collection>?<file>/<object>`, as `obs_publisher_did` in ObsCore has them. IVOA
//! Identifiers 2.0 section 4.1.

use spolia_catalogue::{CatalogueError, FileState};
use spolia_exec::{Act, ExecError, RowLink};

use crate::fault::Fault;
use crate::service::Service;

/// Bits of a row id that are the object's number.
const NUMBER_BITS: u32 = 32;

/// Whether a text is to be such an identifier.
pub(super) fn is_one(text: &str) -> bool {
    text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("ivo://"))
}

/// The row that an identifier stands for: of the newest version of its file, in the newest epoch.
///
/// # Errors
/// [`Fault`] for one that is not of this archive, or whose file is not there or may not be queried.
pub(super) async fn row(service: &Service, text: &str) -> Result<RowLink, Fault> {
    let shown: String = text.chars().take(200).collect();
    let unknown = || Fault::not_found(format!("{shown:?} is no identifier of a row here"));
    let Parts { collection, file_name, object } = parts(text, service.archive.authority()).ok_or_else(unknown)?;
    let collections = service.archive.collections(Act::Query).await?;
    let collection = collections.iter().find(|known| known.name == collection).ok_or_else(unknown)?;
    let failed = |error: CatalogueError| Fault::from(ExecError::Catalogue(error));
    let control = service.archive.router().control();
    let manifest = control.manifest().await.map_err(failed)?.ok_or_else(unknown)?;
    let versions = control.file_versions(&collection.name, &[file_name]).await.map_err(failed)?.into_values().flatten();
    let seen = versions.filter(|file| file.state == FileState::Loaded && manifest.visibility.shows(file.batch));
    let newest = seen.max_by_key(|file| file.file.file_version).ok_or_else(unknown)?;
    let table = collection.table(&newest.file.table_name).ok_or_else(unknown)?;
    let number = object.strip_prefix(table.object.as_str()).and_then(|rest| rest.strip_prefix('_'));
    let number: u32 = number.and_then(|number| number.parse().ok()).ok_or_else(unknown)?;
    Ok(RowLink { epoch: manifest.epoch, id: (i64::from(newest.file_id) << NUMBER_BITS) | i64::from(number) })
}

/// What an identifier of this archive says.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    collection: &'a str,
    file_name: &'a str,
    object: &'a str,
}

fn parts<'a>(text: &'a str, authority: &str) -> Option<Parts<'a>> {
    let rest = text.get(6..).filter(|_| is_one(text))?;
    let (whose, rest) = rest.split_once('/')?;
    let (collection, object) = rest.split_once('?').filter(|_| whose.eq_ignore_ascii_case(authority))?;
    let (file_name, object) = object.rsplit_once('/')?;
    Some(Parts { collection, file_name, object })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_its_parts() {
        let found = parts("IVO://Org.Example/gaia?A_1/AImpl_7", "org.example").unwrap();
        assert_eq!(found, Parts { collection: "gaia", file_name: "A_1", object: "AImpl_7" });
        for other in
            ["ivo://other/gaia?A/B_1", "ivo://org.example/gaia", "ivo://org.example", "http://x", "ivo://", "é"]
        {
            assert_eq!(parts(other, "org.example"), None, "{other}");
        }
    }
}
