//! Choosing objects of files that belong to no archive: by ids, by rows, or by name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use spolia_hdf5_format::attribute::attributes;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::datatype::Datatype;
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::link::{Target, find, is_group, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::RowReader;

use crate::blocking::Blocking;
use crate::error::CutoutError;
use crate::files::{Files, public};
use crate::merge::{OPENED, group_at};
use crate::plan::{CutFile, CutOptions, CutPlan, Ids, Provenance};
use crate::row_model::FieldType;
use crate::rows::values::{Place, Values};

/// Rows whose ids are read at once.
const BATCH_ROWS: u64 = 65_536;
/// Ids that a message names.
const NAMED: usize = 5;

/// What to cut out of files that belong to no archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BareCut {
    /// Local paths, or URLs (`s3://`, `http://`, `https://`).
    pub files: Vec<String>,
    /// Which objects.
    pub chosen: Chosen,
    /// The group that holds the columns of a table, or the objects; found by itself where it is not said.
    pub group: Option<String>,
    /// What is taken of them, and the form it has in the merged file.
    pub options: CutOptions,
    /// The program and its version, for the merged file's provenance.
    pub software: String,
}

/// Which objects of bare files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Those with one of these values, integers or texts, in a field: a column of a table; a dataset or an attribute of an
    /// object.
    Ids {
        /// The field.
        field: String,
        /// The values.
        ids: Vec<String>,
    },
    /// Rows of each file's table, counted from 0.
    Rows(Vec<RangeInclusive<u64>>),
    /// Objects by name.
    Objects(Vec<String>),
}

/// Looks the chosen objects up in their files.
///
/// # Errors
/// When a file cannot be read, holds neither objects nor a table, or nothing is found.
pub async fn choose(files: &Arc<Files>, request: BareCut) -> Result<CutPlan, CutoutError> {
    let files = Arc::clone(files);
    Blocking::begin(move |_| plan(&files, &request)).done().await
}

fn plan(files: &Files, request: &BareCut) -> Result<CutPlan, CutoutError> {
    let found: Vec<Found> =
        files.install(|| request.files.par_iter().map(|file| look(files, file, request)).collect::<Result<_, _>>())?;
    let mut provenance =
        Provenance { software: request.software.clone(), options: request.options.clone(), ..Provenance::default() };
    let wanted: BTreeSet<&str> = match &request.chosen {
        Chosen::Ids { ids, .. } => ids.iter().map(String::as_str).collect(),
        Chosen::Objects(names) => names.iter().map(String::as_str).collect(),
        Chosen::Rows(_) => BTreeSet::new(),
    };
    let there: BTreeSet<&str> = found.iter().flat_map(|found| &found.keys).map(String::as_str).collect();
    let missing: Vec<&str> = wanted.difference(&there).copied().collect();
    if found.iter().all(|found| found.file.ordinals.is_empty()) {
        return Err(CutoutError::Refused("nothing of what was asked for is in these files".to_owned()));
    }
    if !missing.is_empty() {
        let named = missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = if missing.len() > NAMED { ", …" } else { "" };
        provenance.messages.push(format!("{} of {} are in no file: {named}{more}", missing.len(), wanted.len()));
    }
    match &request.chosen {
        Chosen::Ids { field, ids } => {
            provenance.id_kind = field.clone();
            provenance.ids = Ids::of(ids.clone());
        }
        Chosen::Rows(_) | Chosen::Objects(_) => {}
    }
    let mut chosen: Vec<CutFile> =
        found.into_iter().map(|found| found.file).filter(|file| !file.ordinals.is_empty()).collect();
    tell_apart(&mut chosen);
    Ok(CutPlan { files: chosen, provenance })
}

/// Files of the same name get different groups.
fn tell_apart(files: &mut [CutFile]) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let count = known.entry(file.file_name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            file.file_name = format!("{}~{count}", file.file_name);
        }
    }
}

/// A file, and which of the ids or names were found in it.
struct Found {
    file: CutFile,
    keys: BTreeSet<String>,
}

/// What a file holds.
enum Content {
    /// Columns of so many rows, in a group.
    Table(String, ObjectHeader, u64),
    /// Objects in a group.
    Objects(String, ObjectHeader),
}

fn look(files: &Files, location: &str, request: &BareCut) -> Result<Found, CutoutError> {
    let shown = public(location);
    let path = if shown.contains("://") { shown.split('?').next().unwrap_or(shown) } else { shown };
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut file = CutFile {
        file_name: stem.to_owned(),
        location: location.to_owned(),
        did: shown.to_owned(),
        version: 1,
        checksum: String::new(),
        size: 0,
        etag: None,
        class: String::new(),
        object: String::new(),
        group: String::new(),
        names: Vec::new(),
        ordinals: Vec::new(),
    };
    let reader = files.reader(&file, request.files.len().min(OPENED))?;
    file.size = reader.size();
    let place = Place { reader: &reader, path: shown };
    let mut keys = BTreeSet::new();
    match (content(&place, request)?, &request.chosen) {
        (Content::Table(path, group, rows), Chosen::Ids { field, ids }) => {
            file.class = path;
            file.ordinals = rows_with(&place, &group, rows, field, ids, &mut keys)?;
        }
        (Content::Table(path, _, rows), Chosen::Rows(wanted)) => {
            file.class = path;
            for wanted in wanted {
                if *wanted.end() >= rows {
                    return Err(place.refused(format!("it has {rows} rows and no row {}", wanted.end())));
                }
                file.ordinals.extend(wanted.clone().map(|row| row as i64));
            }
        }
        (Content::Objects(path, group), chosen) => {
            let names = match chosen {
                Chosen::Objects(names) => named(&place, &group, names)?,
                Chosen::Ids { field, ids } => objects_with(&place, &group, field, ids, &mut keys)?,
                Chosen::Rows(_) => {
                    return Err(place.refused("it holds no table to take rows of; --in says where there is one"));
                }
            };
            if matches!(chosen, Chosen::Objects(_)) {
                keys.extend(names.iter().cloned());
            }
            file.group = path;
            file.ordinals = (0..names.len() as i64).collect();
            file.names = names;
        }
        (Content::Table(..), Chosen::Objects(_)) => {
            return Err(place.refused("it holds a table; its rows have no names"));
        }
    }
    Ok(Found { file, keys })
}

/// Where a file keeps its objects: in the group that was said, in the root, or in the only group of the root that holds columns.
fn content(place: &Place, request: &BareCut) -> Result<Content, CutoutError> {
    let at = |path: &str| {
        let group = group_at(place.reader, path).map_err(place.damaged())?;
        group.ok_or_else(|| place.refused(format!("it has no group {path:?}")))
    };
    let by_name = matches!(request.chosen, Chosen::Objects(_));
    let path = request.group.as_deref().unwrap_or("");
    let group = at(path)?;
    let table = |path: &str, group: &ObjectHeader| {
        let rows = rows(place, group)?;
        Ok::<_, CutoutError>(rows.map(|rows| Content::Table(path.to_owned(), group.clone(), rows)))
    };
    if by_name {
        return Ok(Content::Objects(path.to_owned(), group));
    }
    if let Some(table) = table(path, &group)? {
        return Ok(table);
    }
    let members = links(place.reader, &group).map_err(place.damaged())?;
    // A file with one group that holds columns; with many groups, each is an object.
    if request.group.is_none()
        && let [link] = &members[..]
    {
        let name = String::from_utf8_lossy(&link.name).into_owned();
        if let Some(table) = table(&name, &at(&name)?)? {
            return Ok(table);
        }
    }
    Ok(Content::Objects(path.to_owned(), group))
}

/// The number of rows of a table: a group of datasets that all have as many.
fn rows(place: &Place, group: &ObjectHeader) -> Result<Option<u64>, CutoutError> {
    let members = links(place.reader, group).map_err(place.damaged())?;
    let mut length = None;
    for link in &members {
        let Target::Object(address) = link.target else { return Ok(None) };
        let header = ObjectHeader::read(place.reader, address).map_err(place.damaged())?;
        if !Dataset::is_one(&header) {
            return Ok(None);
        }
        let dataset = Dataset::read(place.reader, &header).map_err(place.damaged())?;
        let Some(rows) = dataset.space.shape().first() else { return Ok(None) };
        if *length.get_or_insert(*rows) != *rows {
            return Ok(None);
        }
    }
    Ok(length)
}

/// Ids that are wanted.
struct Wanted<'a> {
    texts: HashSet<&'a str>,
    numbers: HashSet<i128>,
}

impl<'a> Wanted<'a> {
    fn new(ids: &'a [String]) -> Self {
        let texts: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let numbers = texts.iter().filter_map(|id| id.parse().ok()).collect();
        Self { texts, numbers }
    }

    /// Calls `each` with the place and the text of every element that is wanted. `width` elements are one object's or row's.
    fn among(
        &self,
        place: &Place,
        (datatype, elements, width): (&Datatype, &[u8], u64),
        mut each: impl FnMut(usize, String),
    ) -> Result<(), CutoutError> {
        if width != 1 {
            return Err(place.refused(format!("it has {width} elements where a single id is expected")));
        }
        if let Some(numbers) = datatype.integers(elements) {
            let found = numbers.enumerate().filter(|(_, number)| self.numbers.contains(number));
            found.for_each(|(at, number)| each(at, number.to_string()));
            return Ok(());
        }
        if let Values::Text(texts) = place.values(datatype, elements, FieldType::Utf8)? {
            let found = texts.into_iter().enumerate().filter(|(_, text)| self.texts.contains(text.as_str()));
            found.for_each(|(at, text)| each(at, text));
        }
        Ok(())
    }
}

/// Rows of a table whose id is wanted.
fn rows_with(
    place: &Place,
    group: &ObjectHeader,
    rows: u64,
    field: &str,
    ids: &[String],
    keys: &mut BTreeSet<String>,
) -> Result<Vec<i64>, CutoutError> {
    let path = format!("{}/{field}", place.path);
    let column = Place { reader: place.reader, path: &path };
    let link = find(place.reader, group, field.as_bytes()).map_err(column.damaged())?;
    let Some(Target::Object(address)) = link.map(|link| link.target) else {
        return Err(column.refused("the table has no such column; --id-field names the column of the ids"));
    };
    let header = ObjectHeader::read(place.reader, address).map_err(column.damaged())?;
    let dataset = Dataset::read(place.reader, &header).map_err(column.damaged())?;
    let mut reader = RowReader::new(place.reader, &dataset).map_err(column.damaged())?;
    let wanted = Wanted::new(ids);
    let mut found = Vec::new();
    for start in (0..rows).step_by(BATCH_ROWS as usize) {
        let some: Vec<u64> = (start..rows.min(start + BATCH_ROWS)).collect();
        let mut content = Vec::new();
        reader.read(&some, &mut content).map_err(column.damaged())?;
        let width = dataset.space.shape()[1..].iter().product();
        wanted.among(&column, (&dataset.datatype, &content, width), |row, id| {
            found.push((start + row as u64) as i64);
            keys.insert(id);
        })?;
    }
    Ok(found)
}

/// Names of objects whose id is wanted; objects without the field have none.
fn objects_with(
    place: &Place,
    group: &ObjectHeader,
    field: &str,
    ids: &[String],
    keys: &mut BTreeSet<String>,
) -> Result<Vec<String>, CutoutError> {
    let reader = place.reader;
    let wanted = Wanted::new(ids);
    let mut found = Vec::new();
    let mut with_field = false;
    for link in links(reader, group).map_err(place.damaged())? {
        let name = String::from_utf8_lossy(&link.name).into_owned();
        let path = format!("{}/{name}/{field}", place.path);
        let object = Place { reader, path: &path };
        let Target::Object(address) = link.target else { continue };
        let header = ObjectHeader::read(reader, address).map_err(object.damaged())?;
        if !is_group(&header) {
            continue;
        }
        let own = attributes(reader, &header).map_err(object.damaged())?;
        let (datatype, elements, count) = match own.into_iter().find(|attribute| attribute.name == field) {
            Some(attribute) => (attribute.datatype, attribute.value, attribute.space.elements()),
            None => match find(reader, &header, field.as_bytes()).map_err(object.damaged())?.map(|link| link.target) {
                Some(Target::Object(address)) => {
                    let header = ObjectHeader::read(reader, address).map_err(object.damaged())?;
                    let dataset = Dataset::read(reader, &header).map_err(object.damaged())?;
                    let content = elements(reader, &dataset, 1 << 20).map_err(object.damaged())?;
                    (dataset.datatype, content.into(), dataset.space.elements())
                }
                _ => continue,
            },
        };
        with_field = true;
        wanted.among(&object, (&datatype, &elements, count.unwrap_or(u64::MAX)), |_, id| {
            found.push(name.clone());
            keys.insert(id);
        })?;
    }
    match with_field {
        true => Ok(found),
        false => Err(place.refused(format!(
            "it holds no object with a dataset or attribute {field:?}; --id-field names that of the ids, --in the group"
        ))),
    }
}

/// Those of the names that are in the group, each once.
fn named(place: &Place, group: &ObjectHeader, names: &[String]) -> Result<Vec<String>, CutoutError> {
    let mut found = BTreeSet::new();
    for name in names {
        if find(place.reader, group, name.as_bytes()).map_err(place.damaged())?.is_some() {
            found.insert(name.clone());
        }
    }
    Ok(found.into_iter().collect())
}
