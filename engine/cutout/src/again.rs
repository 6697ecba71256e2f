//! The plan of a merged file, read back from its provenance.

use std::path::Path;

use spolia_hdf5_format::attribute::{Attribute, attributes};
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::datatype::{Class, Datatype};
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::link::{Target, find};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::source::{LocalFile, Paged};
use spolia_hdf5_format::{Bounds, Reader};

use crate::error::CutoutError;
use crate::merge::group_at;
use crate::plan::{CutFile, CutOptions, CutPlan, Ids, Provenance};
use crate::row_model::FieldType;
use crate::rows::values::{Place, Values};

/// Bytes of one dataset of the provenance at most.
const MOST_BYTES: u64 = 1 << 30;

/// Reads the plan that a merged file was made by. With `software`, the program that makes it again, the same cut gives the same
/// bytes, as long as that program is the same.
///
/// # Errors
/// When the file cannot be read, or has no provenance that tells enough.
pub fn plan_of(merged: &Path, software: &str) -> Result<CutPlan, CutoutError> {
    let source = LocalFile::open(merged).map_err(|source| CutoutError::File { path: merged.to_owned(), source })?;
    let path = merged.display().to_string();
    let damaged = |source| CutoutError::Hdf5 { file: path.clone(), source };
    let reader = Reader::open(Paged::new(source, 64 << 10, 256), Bounds::default()).map_err(damaged)?;
    let group = group_at(&reader, "provenance").map_err(damaged)?;
    let group = group.ok_or_else(|| CutoutError::Refused(format!("{path}: it has no provenance; no cut made it")))?;
    let attributes = attributes(&reader, &group).map_err(damaged)?;
    let path = format!("{path}/provenance");
    let told = Told { place: Place { reader: &reader, path: &path }, group, attributes };
    let provenance = Provenance {
        adql: told.attribute("adql")?.map(text).transpose()?,
        ids: told.ids()?,
        id_kind: told.attribute("id_kind")?.map(text).transpose()?.unwrap_or_default(),
        options: told.options()?,
        with_transits: told.number("with_transits")? != 0,
        epoch: told.number("epoch")?,
        archived: told.number("archived")? != 0,
        software: software.to_owned(),
        messages: told.texts("messages")?,
    };
    let mut files = told.files()?;
    if provenance.archived {
        // An archive knows its files by their checksums; it may have moved to another store.
        files.iter_mut().for_each(|file| file.etag = None);
    }
    let paths = told.texts("object_path")?;
    let (places, numbers) = (told.numbers("object_file")?, told.numbers("object_number")?);
    if paths.len() != places.len() || paths.len() != numbers.len() {
        return Err(told.place.refused("its objects are told in lists of different lengths"));
    }
    let names = if told.has("object_name")? { told.texts("object_name")? } else { vec![String::new(); paths.len()] };
    if names.len() != paths.len() {
        return Err(told.place.refused("its objects are told in lists of different lengths"));
    }
    for (((path, name), place), number) in paths.iter().zip(names).zip(places).zip(numbers) {
        let file = usize::try_from(place).ok().and_then(|place| files.get_mut(place));
        let file =
            file.ok_or_else(|| told.place.refused(format!("an object is of a file {place} that it does not tell")))?;
        // Neither in a table nor numbered: by its name.
        if !name.is_empty() {
            file.names.push(name);
        } else if file.class.is_empty() && file.object.is_empty() && path.matches('/').count() > 1 {
            file.names.push(path.rsplit('/').next().unwrap_or_default().to_owned());
        }
        file.ordinals.push(number);
    }
    Ok(CutPlan { files, provenance })
}

/// What the group tells.
struct Told<'a> {
    place: Place<'a>,
    group: ObjectHeader,
    attributes: Vec<Attribute>,
}

impl Told<'_> {
    fn files(&self) -> Result<Vec<CutFile>, CutoutError> {
        let names = self.texts("file_name")?;
        let [dids, checksums, etags, locations, classes, objects, groups] =
            ["file_did", "file_checksum", "file_etag", "file_location", "file_class", "file_object", "file_group"]
                .map(|name| self.texts(name));
        let (dids, checksums, etags, locations) = (dids?, checksums?, etags?, locations?);
        let (classes, objects, groups) = (classes?, objects?, groups?);
        let (versions, sizes) = (self.numbers("file_version")?, self.numbers("file_size")?);
        let short = || self.place.refused("its files are told in lists of different lengths");
        let of = |list: &[String], place: usize| list.get(place).cloned().ok_or_else(short);
        let file = |(place, file_name): (usize, &String)| {
            Ok(CutFile {
                file_name: file_name.clone(),
                location: of(&locations, place)?,
                did: of(&dids, place)?,
                version: *versions.get(place).ok_or_else(short)? as i32,
                checksum: of(&checksums, place)?,
                size: *sizes.get(place).ok_or_else(short)? as u64,
                etag: Some(of(&etags, place)?).filter(|etag| !etag.is_empty()),
                class: of(&classes, place)?,
                object: of(&objects, place)?,
                group: of(&groups, place)?,
                names: Vec::new(),
                ordinals: Vec::new(),
            })
        };
        names.iter().enumerate().map(file).collect()
    }

    fn ids(&self) -> Result<Ids, CutoutError> {
        if !self.has("ids")? {
            return Ok(Ids::default());
        }
        match self.read("ids", |datatype| !matches!(datatype.class, Class::FixedPoint { .. }))? {
            Values::Text(ids) => Ok(Ids::Texts(ids)),
            Values::Int(ids) => Ok(Ids::Integers(ids)),
            _ => Err(self.place.refused("it does not tell ids")),
        }
    }

    fn options(&self) -> Result<CutOptions, CutoutError> {
        Ok(CutOptions {
            fields: if self.has("fields")? { self.texts("fields")? } else { Vec::new() },
            packed: self.number("packed")? != 0,
            compression: u8::try_from(self.number("compression")?).ok().filter(|level| *level > 0),
        })
    }

    fn attribute(&self, name: &str) -> Result<Option<Values>, CutoutError> {
        let found = self.attributes.iter().find(|attribute| attribute.name == name);
        let read = |attribute: &Attribute| {
            self.place.values(&attribute.datatype, &attribute.value, field_type(attribute.datatype.size == 16))
        };
        found.map(read).transpose()
    }

    fn number(&self, name: &str) -> Result<i64, CutoutError> {
        match self.attribute(name)? {
            Some(Values::Int(numbers)) if numbers.len() == 1 => Ok(numbers[0]),
            _ => Err(self.place.refused(format!("it does not tell {name}"))),
        }
    }

    fn has(&self, name: &str) -> Result<bool, CutoutError> {
        let link = find(self.place.reader, &self.group, name.as_bytes()).map_err(self.place.damaged())?;
        Ok(link.is_some())
    }

    /// The values of a dataset, whose type tells whether they are texts.
    fn read(&self, name: &str, is_text: impl Fn(&Datatype) -> bool) -> Result<Values, CutoutError> {
        let reader = self.place.reader;
        let link = find(reader, &self.group, name.as_bytes()).map_err(self.place.damaged())?;
        let Some(Target::Object(address)) = link.map(|link| link.target) else {
            return Err(self.place.refused(format!("it does not tell {name}")));
        };
        let header = ObjectHeader::read(reader, address).map_err(self.place.damaged())?;
        let dataset = Dataset::read(reader, &header).map_err(self.place.damaged())?;
        let content = elements(reader, &dataset, MOST_BYTES).map_err(self.place.damaged())?;
        self.place.values(&dataset.datatype, &content, field_type(is_text(&dataset.datatype)))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, CutoutError> {
        match self.read(name, |_| true)? {
            Values::Text(texts) => Ok(texts),
            _ => Err(self.place.refused(format!("it does not tell {name}"))),
        }
    }

    fn numbers(&self, name: &str) -> Result<Vec<i64>, CutoutError> {
        match self.read(name, |_| false)? {
            Values::Int(numbers) => Ok(numbers),
            _ => Err(self.place.refused(format!("it does not tell {name}"))),
        }
    }
}

fn field_type(is_text: bool) -> FieldType {
    if is_text { FieldType::Utf8 } else { FieldType::Int64 }
}

fn text(values: Values) -> Result<String, CutoutError> {
    match values {
        Values::Text(mut texts) if texts.len() == 1 => Ok(texts.remove(0)),
        _ => Err(CutoutError::Refused("a text was expected in the provenance".to_owned())),
    }
}
