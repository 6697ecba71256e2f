//! `/provenance`: which request, which epoch, which files, which object came from where.
//!
//! Attributes of the group: `adql` or `id_kind`, `with_transits`, `epoch`, `software`, `layout`. Datasets: `ids`, `messages`,
//! `file_*` (an entry per file) and `object_*` (an entry per object). Nothing in it depends on when or by whom it was made.

use hdf5_metno::types::VarLenUnicode;
use hdf5_metno::{Group, H5Type};
use spolia_cutout::{CutFile, CutPlan};

use crate::error::{At, ChildError};

/// The naming rule, told in the file itself.
const LAYOUT: &str = "objects lie in /<file_name>/<object>_<number>; rows of tables lie in /<class>/<column>, by file and row; \
    object_path and object_row say where, object_file and object_number where from";

/// Where one merged object came from.
pub struct Origin {
    path: String,
    row: i64,
    file: usize,
    ordinal: i64,
}

impl Origin {
    /// An object with a group of its own.
    pub fn object(path: &str, file: usize, ordinal: i64) -> Self {
        Self { path: path.to_owned(), row: -1, file, ordinal }
    }

    /// A row of a table.
    pub fn row(class: &str, row: u64, file: usize, ordinal: i64) -> Self {
        Self { path: format!("/{class}"), row: row as i64, file, ordinal }
    }
}

/// Writes the group.
pub fn write(merged: &Group, plan: &CutPlan, origins: &[Origin]) -> Result<(), ChildError> {
    let group = merged.create_group("provenance").at("make", "/provenance")?;
    let own = &plan.provenance;
    if let Some(adql) = &own.adql {
        attribute(&group, "adql", &text(adql)?)?;
    }
    if !own.ids.is_empty() {
        attribute(&group, "id_kind", &text(&own.id_kind)?)?;
        column(&group, "ids", &own.ids)?;
    }
    attribute(&group, "with_transits", &u8::from(own.with_transits))?;
    attribute(&group, "epoch", &own.epoch)?;
    attribute(&group, "software", &text(&own.software)?)?;
    attribute(&group, "layout", &text(LAYOUT)?)?;
    column(&group, "messages", &texts(own.messages.iter().map(String::as_str))?)?;
    write_files(&group, &plan.files)?;
    column(&group, "object_path", &texts(origins.iter().map(|origin| origin.path.as_str()))?)?;
    column(&group, "object_row", &origins.iter().map(|origin| origin.row).collect::<Vec<_>>())?;
    column(&group, "object_file", &origins.iter().map(|origin| origin.file as i32).collect::<Vec<_>>())?;
    column(&group, "object_number", &origins.iter().map(|origin| origin.ordinal).collect::<Vec<_>>())
}

fn write_files(group: &Group, files: &[CutFile]) -> Result<(), ChildError> {
    column(group, "file_name", &texts(files.iter().map(|file| file.file_name.as_str()))?)?;
    column(group, "file_did", &texts(files.iter().map(|file| file.did.as_str()))?)?;
    column(group, "file_checksum", &texts(files.iter().map(|file| file.checksum.as_str()))?)?;
    column(group, "file_version", &files.iter().map(|file| file.version).collect::<Vec<_>>())?;
    column(group, "file_size", &files.iter().map(|file| file.size as i64).collect::<Vec<_>>())
}

fn text(text: &str) -> Result<VarLenUnicode, ChildError> {
    text.replace('\0', "\u{fffd}").parse().map_err(|_| ChildError::content("/provenance", "a text cannot be written"))
}

fn texts<'a>(all: impl Iterator<Item = &'a str>) -> Result<Vec<VarLenUnicode>, ChildError> {
    all.map(text).collect()
}

fn attribute<T: H5Type>(group: &Group, name: &str, value: &T) -> Result<(), ChildError> {
    let made = group.new_attr::<T>().create(name).and_then(|attribute| attribute.write_scalar(value));
    made.at("write", format!("/provenance@{name}"))
}

fn column<T: H5Type>(group: &Group, name: &str, values: &[T]) -> Result<(), ChildError> {
    let builder = group.new_dataset::<T>().obj_track_times(false).shape(values.len());
    let made =
        builder.create(name).and_then(|dataset| if values.is_empty() { Ok(()) } else { dataset.write_raw(values) });
    made.at("write", format!("/provenance/{name}"))
}
