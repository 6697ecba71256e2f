//! `/provenance`: which request, which epoch, which files, which object came from where.
//!
//! Attributes of the group: `adql` or `id_kind`, `with_transits`, `archived`, `packed`, `compression`, `epoch`, `software`, `layout`. Datasets: `ids`, `fields`,
//! `messages`, `file_*` (an entry per file), `object_*` (an entry per object), and `sha256` ([`crate::checksum`]). Nothing in it
//! depends on when or by whom it was made, and it is enough to make the cut again ([`crate::plan_of`]).

use bytes::Bytes;
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::write::{AttributeOut, DatasetOut, HeapBuilder, StorageOut, Written};

use super::{Member, Output};
use crate::checksum;
use crate::error::CutoutError;
use crate::files::public;
use crate::plan::{CutFile, CutPlan, Ids};

/// The naming rule, told in the file itself.
const LAYOUT: &str = "objects lie in /<file_name>/<object>_<number>; rows of tables lie in /<class>/<column>, by file and row; \
    packed objects lie in /<object>/<field>, an object a row, or where they have different numbers of elements one after the other, \
    each from <field>_offsets on, and <field>_present is 0 for objects without the field; \
    object_path and object_row say where, object_file and object_number where from; \
    sha256 has the checksum of each 16 MiB of all bytes before its own elements, which come last in the file";

/// Datatype messages: little-endian integers, and strings of variable length in UTF-8.
const UINT8: &[u8] = &[0x10, 0x00, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0];
const INT32: &[u8] = &[0x10, 0x08, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0];
const INT64: &[u8] = &[0x10, 0x08, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0];
const DIGITS: &[u8] = &[0x13, 0x01, 0, 0, 64, 0, 0, 0];
const TEXT: &[u8] = &[0x19, 0x01, 0x01, 0, 16, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0];

/// Where one merged object came from, and where it is.
pub(super) struct Origin {
    /// Its file's place in the plan.
    file: u32,
    form: Form,
    /// The row it is in, of columns.
    row: i64,
    ordinal: i64,
}

/// What an object is in the merged file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A group of its own.
    Group,
    /// A row of columns that objects were packed into.
    Packed,
    /// A row of a table.
    Row,
}

impl Origin {
    /// The object with a number in the file that has a place in the plan. `row` is -1 for one with a group of its own.
    pub(super) fn new(file: usize, form: Form, row: i64, ordinal: i64) -> Self {
        Self { file: file as u32, form, row, ordinal }
    }

    fn path(&self, plan: &CutPlan) -> String {
        let file = &plan.files[self.file as usize];
        match self.form {
            Form::Group => format!("/{}/{}", file.file_name, file.name(self.ordinal)),
            // All objects of a class are in the first file's group.
            Form::Packed => format!("/{}", plan.first_of_class(file).packed_name()),
            Form::Row => format!("/{}", file.table_name()),
        }
    }

    /// The object's own name, where neither its path nor its number tells it.
    fn own_name(&self, plan: &CutPlan) -> Option<String> {
        let file = &plan.files[self.file as usize];
        (self.form == Form::Packed && !file.names.is_empty()).then(|| file.name(self.ordinal))
    }
}

/// Where the checksums belong that are made when everything else is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToCome {
    /// How many there are.
    pub(super) blocks: u64,
    /// Where their address belongs.
    pub(super) address: u64,
}

/// Writes the group. `etags` are those of the files, as far as they have any; `messages` are what the user should know.
pub(super) fn write(
    plan: &CutPlan,
    etags: &[Option<String>],
    origins: &[Origin],
    messages: &[String],
    writer: &mut Output,
) -> Result<(Written, ToCome), CutoutError> {
    let own = &plan.provenance;
    let mut attributes = vec![
        number("with_transits", UINT8, &[u8::from(own.with_transits)]),
        number("archived", UINT8, &[u8::from(own.archived)]),
        number("packed", UINT8, &[u8::from(own.options.packed)]),
        number("compression", UINT8, &[own.options.compression.unwrap_or(0)]),
        number("epoch", INT64, &own.epoch.to_le_bytes()),
        text("software", &own.software, writer)?,
        text("layout", LAYOUT, writer)?,
    ];
    let mut group = Group { writer, members: Vec::new() };
    if let Some(adql) = &own.adql {
        attributes.push(text("adql", adql, group.writer)?);
    }
    if own.ids != Ids::default() {
        attributes.push(text("id_kind", &own.id_kind, group.writer)?);
        match &own.ids {
            Ids::Integers(ids) => group.integers("ids", ids.iter().copied())?,
            Ids::Texts(ids) => group.texts("ids", ids.iter())?,
        }
    }
    if !own.options.fields.is_empty() {
        group.texts("fields", own.options.fields.iter().map(String::as_str))?;
    }
    group.texts("messages", messages.iter().map(String::as_str))?;
    group.texts("file_name", plan.files.iter().map(|file| file.file_name.as_str()))?;
    group.texts("file_did", plan.files.iter().map(|file| file.did.as_str()))?;
    group.texts("file_checksum", plan.files.iter().map(|file| file.checksum.as_str()))?;
    group.texts("file_etag", etags.iter().map(|etag| etag.as_deref().unwrap_or_default()))?;
    group.small_integers("file_version", plan.files.iter().map(|file: &CutFile| file.version))?;
    group.texts("file_location", plan.files.iter().map(|file| public(&file.location)))?;
    group.texts("file_class", plan.files.iter().map(|file| file.class.as_str()))?;
    group.texts("file_object", plan.files.iter().map(|file| file.object.as_str()))?;
    group.texts("file_group", plan.files.iter().map(|file| file.group.as_str()))?;
    group.integers("file_size", plan.files.iter().map(|file| file.size as i64))?;
    group.texts("object_path", origins.iter().map(|origin| origin.path(plan)))?;
    if origins.iter().any(|origin| origin.own_name(plan).is_some()) {
        group.texts("object_name", origins.iter().map(|origin| origin.own_name(plan).unwrap_or_default()))?;
    }
    group.integers("object_row", origins.iter().map(|origin| origin.row))?;
    group.small_integers("object_file", origins.iter().map(|origin| origin.file as i32))?;
    group.integers("object_number", origins.iter().map(|origin| origin.ordinal))?;
    let to_come = group.checksums()?;
    let members = group.members;
    Ok((writer.group(members, &attributes)?, to_come))
}

fn number(name: &str, datatype: &'static [u8], value: &[u8]) -> AttributeOut {
    AttributeOut {
        name: name.into(),
        datatype: Bytes::from_static(datatype),
        space: Dataspace::Scalar,
        value: value.to_vec(),
    }
}

fn text(name: &str, value: &str, writer: &mut Output) -> Result<AttributeOut, CutoutError> {
    let mut heap = HeapBuilder::default();
    let place = heap.add(value.as_bytes());
    let heap = heap.write(writer)?;
    Ok(number(name, TEXT, &place.id(value.len() as u32, heap)))
}

/// A group that is being filled with columns.
struct Group<'a> {
    writer: &'a mut Output,
    members: Vec<Member>,
}

impl Group<'_> {
    fn integers(&mut self, name: &str, values: impl Iterator<Item = i64>) -> Result<(), CutoutError> {
        self.column(name, INT64, 8, &values.flat_map(i64::to_le_bytes).collect::<Vec<_>>())
    }

    fn small_integers(&mut self, name: &str, values: impl Iterator<Item = i32>) -> Result<(), CutoutError> {
        self.column(name, INT32, 4, &values.flat_map(i32::to_le_bytes).collect::<Vec<_>>())
    }

    fn texts(&mut self, name: &str, values: impl Iterator<Item = impl AsRef<str>>) -> Result<(), CutoutError> {
        let mut heap = HeapBuilder::default();
        let mut place = |value: &str| (!value.is_empty()).then(|| (value.len() as u32, heap.add(value.as_bytes())));
        let places: Vec<_> = values.map(|value| place(value.as_ref())).collect();
        let heap = heap.write(self.writer)?;
        let ids = places.into_iter().flat_map(|place| place.map_or([0; 16], |(length, place)| place.id(length, heap)));
        self.column(name, TEXT, 16, &ids.collect::<Vec<_>>())
    }

    /// The checksums, whose elements come last in the file.
    fn checksums(&mut self) -> Result<ToCome, CutoutError> {
        let blocks = checksum::blocks(self.writer.position());
        let out = DatasetOut {
            datatype: Bytes::from_static(DIGITS),
            space: Dataspace::Simple { shape: vec![blocks], max_shape: vec![Some(blocks)] },
            fill_value: None,
            filters: Vec::new(),
            storage: StorageOut::Contiguous(None, blocks * checksum::DIGITS),
            attributes: vec![number("block_bytes", INT64, &checksum::BLOCK.to_le_bytes())],
        };
        let (written, address) = self.writer.dataset_to_come(&out)?;
        self.members.push((checksum::NAME.into(), written));
        Ok(ToCome { blocks, address })
    }

    fn column(&mut self, name: &str, datatype: &'static [u8], size: u64, bytes: &[u8]) -> Result<(), CutoutError> {
        let count = bytes.len() as u64 / size;
        let address = if bytes.is_empty() { None } else { Some(self.writer.put(bytes)?) };
        let out = DatasetOut {
            datatype: Bytes::from_static(datatype),
            space: Dataspace::Simple { shape: vec![count], max_shape: vec![Some(count)] },
            fill_value: None,
            filters: Vec::new(),
            storage: StorageOut::Contiguous(address, bytes.len() as u64),
            attributes: Vec::new(),
        };
        self.members.push((name.into(), self.writer.dataset(&out)?));
        Ok(())
    }
}
