//! The `votable` crate of CDS, with the table as its own values.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use votable::data::DataElem;
use votable::impls::VOTableValue;
use votable::impls::mem::InMemTableDataRows;
use votable::resource::{Resource, ResourceSubElem};
use votable::table::Table;
use votable::votable::{VOTable, VOTableWrapper, Version};
use votable::{Data, Field, VOTableError};

use crate::Writes;
use crate::ours::Ours;

/// The table in each serialization, and the folder of the files.
pub struct VotableCrate {
    tabledata: VOTableWrapper<InMemTableDataRows>,
    binary2: VOTableWrapper<InMemTableDataRows>,
    folder: PathBuf,
}

impl VotableCrate {
    /// Takes the rows over.
    pub fn new(ours: &Ours) -> Result<Self> {
        let mut binary2 = document(ours);
        binary2.to_binary2().map_err(said)?;
        let folder = ours.file("TABLEDATA").parent().context("a folder")?.to_owned();
        Ok(Self { tabledata: document(ours), binary2, folder })
    }
}

fn said(error: VOTableError) -> anyhow::Error {
    anyhow!("{error}")
}

fn document(ours: &Ours) -> VOTableWrapper<InMemTableDataRows> {
    let (ids, table) = (ours.table.column(0).as_primitive::<Int64Type>(), &ours.table);
    let row = |at: usize| {
        let doubles = table.columns()[1..].iter().map(|column| column.as_primitive::<Float64Type>().value(at));
        std::iter::once(VOTableValue::Long(ids.value(at))).chain(doubles.map(VOTableValue::Double)).collect()
    };
    let rows = InMemTableDataRows::new((0..table.num_rows()).map(row).collect());
    let schema = table.schema();
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        let datatype = if at == 0 { votable::datatype::Datatype::LongInt } else { votable::datatype::Datatype::Double };
        Field::new(field.name().as_str(), datatype)
    });
    let empty: Table<InMemTableDataRows> = Table::new();
    let table = fields.fold(empty, Table::push_field).set_data(Data::new_empty().set_tabledata(rows));
    let resource = Resource::default().push_sub_elem(ResourceSubElem::from_table(table));
    VOTable::new(Version::V1_4, resource).wrap()
}

impl Writes for VotableCrate {
    fn name(&self) -> &'static str {
        "votable"
    }

    fn write(&mut self, format: &str) -> Result<Option<usize>> {
        let document = match format {
            "TABLEDATA" => &mut self.tabledata,
            "BINARY2" => &mut self.binary2,
            _ => return Ok(None),
        };
        Ok(Some(document.to_ivoa_xml_bytes().map_err(said)?.len()))
    }

    fn read(&mut self, format: &str) -> Result<Option<usize>> {
        if !matches!(format, "TABLEDATA" | "BINARY2") {
            return Ok(None);
        }
        let read = VOTableWrapper::<InMemTableDataRows>::from_ivoa_xml_file(self.folder.join(format)).map_err(said)?;
        let table = read.unwrap();
        let rows = table.get_first_table().and_then(|table| table.data.as_ref()).context("no table")?;
        Ok(Some(count(rows)))
    }
}

fn count(data: &Data<InMemTableDataRows>) -> usize {
    let content = match &data.data {
        DataElem::TableData(table) => Some(&table.content),
        DataElem::Binary(binary) => binary.stream.content.as_ref(),
        DataElem::Binary2(binary) => binary.stream.content.as_ref(),
        DataElem::Fits(_) => None,
    };
    content.map_or(0, |content| content.rows.len())
}
