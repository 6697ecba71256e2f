//! `/api/files`: a whole file of the archive, by its name.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Response};
use spolia_catalogue::{ArchivedFile, CatalogueError, FileState};
use spolia_exec::{Act, ExecError};

use crate::delivery::{Artefact, Asked, Source, deliver};
use crate::door::Door;
use crate::fault::Fault;
use crate::gate::Place;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::{Service, client_id};
use crate::visitor::Visitor;

/// Letters of a file name at most.
const NAME_LENGTH: usize = 255;
/// The file's version.
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-spolia-version");

/// Sends a file.
pub(crate) async fn file(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let asked = Asked { headers: request.headers().clone(), head: request.method() == Method::HEAD };
    let answered = async {
        let parameters = Parameters::read(request).await?;
        let mut record = service.begin("download", Door::Files, parameters.all("NAME").next().unwrap_or_default());
        match find(&service, &parameters, &mut record).await {
            Ok((artefact, place)) => deliver(&service, &asked, artefact, record, place).await,
            Err(fault) => {
                record.fail(&fault.message);
                Err(fault)
            }
        }
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.text())
}

async fn find(service: &Service, parameters: &Parameters, record: &mut Record) -> Result<(Artefact, Place), Fault> {
    if let Some(client) = parameters.one("CLIENTID")? {
        record.note("client", client_id(Some(client)));
    }
    let name = parameters.one("NAME")?.ok_or_else(|| Fault::usage("name is missing: give it the name of a file"))?;
    check_name(name)?;
    let version = parameters.number("VERSION")?;
    let place = service.downloads.enter().await?;
    let visible = visible(service, name, parameters.one("COLLECTION")?).await?;
    let file = chosen(visible, name, version)?;
    record.note("version", file.file.file_version);
    Ok((artefact(service, file)?, place))
}

/// A name is looked up and never opened as a path; one with a slash is most likely meant as one.
fn check_name(name: &str) -> Result<(), Fault> {
    let plain = |c: char| !c.is_control() && c != '/' && c != '\\';
    match name.len() <= NAME_LENGTH && name.chars().all(plain) {
        true => Ok(()),
        false => Err(Fault::usage("name is the name of a file, such as CompleteSource_130097_0003.h5, not a path")),
    }
}

/// The versions of the file that may be seen in the newest epoch, of all collections or the one named.
async fn visible(service: &Service, name: &str, collection: Option<&str>) -> Result<Vec<ArchivedFile>, Fault> {
    let failed = |error: CatalogueError| Fault::from(ExecError::Catalogue(error));
    // What may not be taken is not there: nobody is told what else there is.
    let control = service.archive.router().control();
    let Some(manifest) = control.manifest().await.map_err(failed)? else { return Ok(Vec::new()) };
    let (stems, mut found): (Vec<&str>, _) = (stems(name).collect(), Vec::new());
    for known in service.archive.collections(Act::File).await? {
        if collection.is_some_and(|wanted| wanted != known.name) {
            continue;
        }
        let versions = control.file_versions(&known.name, &stems).await.map_err(failed)?;
        let named = |file: &ArchivedFile| {
            let (stem, extension) = (&file.file.file_name, &file.file.file_extension);
            stem == name || name[stem.len()..] == *extension
        };
        found.extend(versions.into_values().flatten().filter(named));
    }
    found.retain(|file| file.state == FileState::Loaded && manifest.visibility.shows(file.batch));
    Ok(found)
}

/// The name with its extension and without: files are catalogued without.
fn stems(name: &str) -> impl Iterator<Item = &str> {
    let stem = name.rfind('.').map(|dot| &name[..dot]);
    [Some(name), stem].into_iter().flatten().filter(|stem| !stem.is_empty())
}

/// The version wanted, or the newest.
fn chosen(mut files: Vec<ArchivedFile>, name: &str, version: Option<u64>) -> Result<ArchivedFile, Fault> {
    if files.is_empty() {
        return Err(Fault::not_found(format!("no file {name:?} is in the archive")));
    }
    let collections: std::collections::BTreeSet<_> = files.iter().map(|file| file.file.collection.clone()).collect();
    if collections.len() > 1 {
        let names = collections.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Fault::usage(format!(
            "files of that name are in several collections; add collection=, one of {names}"
        )));
    }
    files.sort_by_key(|file| file.file.file_version);
    let is_wanted =
        |file: &ArchivedFile| version.is_none_or(|version| u64::try_from(file.file.file_version) == Ok(version));
    let versions = files.iter().map(|file| file.file.file_version.to_string()).collect::<Vec<_>>().join(", ");
    let unknown = || Fault::not_found(format!("{name:?} has no version {}; it has {versions}", version.unwrap_or(0)));
    files.into_iter().rev().find(is_wanted).ok_or_else(unknown)
}

fn artefact(service: &Service, file: ArchivedFile) -> Result<Artefact, Fault> {
    let damaged = |error: &dyn std::fmt::Debug| Fault::internal("find the file in its store", error);
    let path = object_store::path::Path::parse(&file.file.location).map_err(|error| damaged(&error))?;
    Ok(Artefact {
        source: Source::Object(service.archive.store().clone(), path),
        size: u64::try_from(file.file.size).map_err(|error| damaged(&error))?,
        etag: file.file.checksum,
        content_type: content_type(&file.file.file_extension).into(),
        file_name: saved_name(&format!("{}{}", file.file.file_name, file.file.file_extension)),
        headers: vec![(VERSION_HEADER, HeaderValue::from(file.file.file_version))],
    })
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        ".h5" | ".hdf5" => "application/x-hdf5",
        ".fits" | ".fit" => "application/fits",
        _ => "application/octet-stream",
    }
}

/// A name that can stand between quotes in a header.
fn saved_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use spolia_catalogue::NewFile;

    use super::*;

    fn file(collection: &str, version: i32) -> ArchivedFile {
        let file = NewFile {
            collection: collection.to_owned(),
            table_name: String::new(),
            file_name: "a".to_owned(),
            file_extension: ".h5".to_owned(),
            file_version: version,
            did_rse: String::new(),
            did_scope: String::new(),
            did_name: String::new(),
            checksum: String::new(),
            adler32: String::new(),
            size: 1,
            location: String::new(),
        };
        ArchivedFile { file_id: 1, file, objects: None, batch: 1, state: FileState::Loaded, superseded: None }
    }

    #[test]
    fn a_path_is_no_name() {
        for path in ["../../etc/passwd", "/etc/passwd", "a\\b", "a\0b", "a\r\nb", &"x".repeat(256)] {
            assert!(check_name(path).is_err(), "{path:?}");
        }
        for name in ["CompleteSource_130097_0003.h5", "CompleteSource_130097_0003", "..", "é.h5"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
        assert_eq!(stems("a.b.h5").collect::<Vec<_>>(), ["a.b.h5", "a.b"]);
        assert_eq!(stems(".h5").collect::<Vec<_>>(), [".h5"]);
        assert_eq!(saved_name("a\"; b/é.h5"), "a___b__.h5");
    }

    #[test]
    fn the_newest_version_unless_one_is_wanted() {
        let version =
            |wanted| chosen(vec![file("g", 2), file("g", 0), file("g", 1)], "a", wanted).map(|f| f.file.file_version);
        assert_eq!(version(None), Ok(2));
        assert_eq!(version(Some(1)), Ok(1));
        assert!(version(Some(7)).unwrap_err().message.contains("0, 1, 2"));
        assert_eq!(chosen(Vec::new(), "a", None).unwrap_err().status(), 404);
        assert!(chosen(vec![file("g", 0), file("h", 0)], "a", None).unwrap_err().message.contains("g, h"));
    }
}
