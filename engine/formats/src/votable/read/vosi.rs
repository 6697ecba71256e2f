//! A table that is described and has no rows: the `table` element of VOSI. VOSI 1.1 section 2.5, VODataService 1.2 section 3.3.

use std::io::BufRead;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::error::{Result, VotableError, quoted};
use super::field::VoColumn;
use super::xml::{Attributes, Node, Xml};
use crate::incoming::{MOST_COLUMNS, ReadBounds};

/// Bytes of a text in the document.
const LONGEST_TEXT: usize = 64 << 10;

/// What a VOSI `table` element says of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedTable {
    /// What it holds.
    pub description: Option<String>,
    /// Its columns, as those of a VOTable with such FIELDs.
    pub schema: SchemaRef,
}

/// Reads a VOSI `table` document. Types of columns are those of VOTable, or of TAP 1.0 where `xsi:type` says `TAPType`.
///
/// # Errors
/// [`VotableError`] for what is no such document, has a type that queries do not know, or meets a bound.
pub fn read_vosi_table(input: impl BufRead, bounds: &ReadBounds) -> Result<DescribedTable> {
    let mut xml = Xml::new(input, bounds.document_bytes)?;
    loop {
        let name = match xml.next()? {
            Node::Open(tag) => tag.name().to_owned(),
            Node::End => return Err(xml.structure("the document has no table element")),
            _ => continue,
        };
        if name == "table" {
            return table(&mut xml);
        }
        return Err(xml.structure(format!(
            "the document is a {:?}; a table is described by a VOTABLE, or by the element table of VOSI",
            quoted(&name)
        )));
    }
}

fn table<R: BufRead>(xml: &mut Xml<R>) -> Result<DescribedTable> {
    let outside = xml.depth() - 1;
    let (mut description, mut fields) = (None, Vec::<Field>::new());
    while xml.depth() > outside {
        let Node::Open(tag) = xml.next()? else { continue };
        match tag.name() {
            "description" => description = Some(text(xml)?).filter(|text| !text.is_empty()),
            "column" if fields.len() == MOST_COLUMNS => {
                let (line, most) = (xml.line(), MOST_COLUMNS as u64);
                return Err(VotableError::Bound { line, what: "the number of columns", most });
            }
            "column" => fields.push(column(xml, fields.len() + 1)?),
            _ => xml.skip()?,
        }
    }
    Ok(DescribedTable { description, schema: Arc::new(Schema::new(fields)) })
}

/// A column whose start was read, as the FIELD that a VOTable would have for it.
fn column<R: BufRead>(xml: &mut Xml<R>, number: usize) -> Result<Field> {
    let outside = xml.depth() - 1;
    let (mut said, mut description) = (Vec::new(), None);
    while xml.depth() > outside {
        let Node::Open(tag) = xml.next()? else { continue };
        let name = tag.name().to_owned();
        match name.as_str() {
            "name" | "unit" | "ucd" | "utype" => said.push((name, text(xml)?)),
            "description" => description = Some(text(xml)?),
            "dataType" => {
                let attributes = tag.attributes()?;
                let of_tap = attributes.get("xsi:type").is_some_and(|kind| kind.ends_with("TAPType"));
                let given = |key: &str| attributes.get(key).map(str::to_owned);
                let (arraysize, xtype, size) = (given("arraysize"), given("extendedType"), given("size"));
                let datatype = text(xml)?;
                let (datatype, arraysize, xtype) = match of_tap.then(|| tap_type(&datatype)).flatten() {
                    Some((datatype, true, xtype)) => (datatype.to_owned(), size.or(Some("*".to_owned())), xtype),
                    Some((datatype, false, xtype)) => (datatype.to_owned(), None, xtype),
                    None => (datatype, arraysize, xtype),
                };
                said.push(("datatype".to_owned(), datatype));
                said.extend(arraysize.map(|size| ("arraysize".to_owned(), size)));
                said.extend(xtype.map(|xtype| ("xtype".to_owned(), xtype)));
            }
            _ => xml.skip()?,
        }
    }
    let (field, _) = VoColumn::of(xml, &Attributes::of(said), number)?.incoming();
    let mut metadata = field.metadata().clone();
    metadata.extend(description.filter(|text| !text.is_empty()).map(|text| ("description".to_owned(), text)));
    Ok(field.with_metadata(metadata))
}

/// A type of TAP 1.0 (VODataService 1.1 section 3.5.3) as one of VOTable, whether it has a length, and its xtype.
fn tap_type(name: &str) -> Option<(&'static str, bool, Option<String>)> {
    Some(match name.to_ascii_uppercase().as_str() {
        "BOOLEAN" => ("boolean", false, None),
        "SMALLINT" => ("short", false, None),
        "INTEGER" => ("int", false, None),
        "BIGINT" => ("long", false, None),
        "REAL" => ("float", false, None),
        "DOUBLE" => ("double", false, None),
        "TIMESTAMP" => ("char", true, Some("timestamp".to_owned())),
        "CHAR" | "VARCHAR" | "CLOB" => ("char", true, None),
        _ => return None,
    })
}

fn text<R: BufRead>(xml: &mut Xml<R>) -> Result<String> {
    Ok(xml.text(LONGEST_TEXT)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, TimeUnit};

    use super::*;

    fn read(columns: &str) -> Result<DescribedTable> {
        let document = format!(
            r#"<?xml version="1.0"?><vosi:table xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" type="output">
            <name>user_ada.stars</name><description> Mine </description>{columns}</vosi:table>"#
        );
        read_vosi_table(document.as_bytes(), &ReadBounds::default())
    }

    #[test]
    fn columns_are_those_of_a_votable() {
        let column = |name: &str, attributes: &str, datatype: &str| {
            format!(
                "<column><name>{name}</name><unit>deg</unit><dataType {attributes}>{datatype}</dataType><flag>indexed</flag></column>"
            )
        };
        let table = read(
            &[
                column("a", "xsi:type=\"vs:VOTableType\"", "long"),
                column("b", "arraysize=\"32*\"", "char"),
                column("c", "arraysize=\"3\"", "double"),
                column("d", "arraysize=\"*\" extendedType=\"timestamp\"", "char"),
                column("e", "xsi:type=\"vs:TAPType\" size=\"7\"", "VARCHAR"),
                column("f", "xsi:type=\"vs:TAPType\"", "BIGINT"),
                column("g", "xsi:type=\"vs:TAPType\"", "TIMESTAMP"),
            ]
            .concat(),
        )
        .unwrap();
        assert_eq!(table.description.as_deref(), Some("Mine"));
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        let types = [
            DataType::Int64,
            DataType::Utf8,
            DataType::FixedSizeList(item, 3),
            time.clone(),
            DataType::Utf8,
            DataType::Int64,
            time,
        ];
        let found: Vec<_> = table.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(found, types);
        assert_eq!(table.schema.field(0).metadata()["unit"], "deg");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let said = |result: Result<DescribedTable>| result.unwrap_err().to_string();
        for (columns, words) in [
            ("<column><name>a</name></column>", "no datatype"),
            ("<column><dataType>int</dataType></column>", "neither a name"),
            ("<column><name>a</name><dataType>doubleComplex</dataType></column>", "doubleComplex"),
            ("<column><name>a</name><dataType xsi:type=\"vs:TAPType\">REGION</dataType></column>", "REGION"),
        ] {
            let message = said(read(columns));
            assert!(message.contains(words), "{message}");
        }
        let other = read_vosi_table("<tableset/>".as_bytes(), &ReadBounds::default());
        assert!(said(other).contains("tableset"));
        assert!(read_vosi_table("<table><column>".as_bytes(), &ReadBounds::default()).is_err());
    }
}
