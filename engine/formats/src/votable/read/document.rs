//! From the root down to the first TABLE, and on to the end. VOTable 1.4 section 3.

use std::io::BufRead;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::error::{Result, VotableError, quoted};
use super::field::VoColumn;
use super::rows::Rows;
use super::xml::{Attributes, Node, Xml};
use super::{binary, tabledata};
use crate::incoming::{MOST_COLUMNS, ReadBounds, message};

/// Bytes of a failed query's message.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Reads the whole document, so that what is cut off or says that it is not whole is refused.
pub(super) fn read<R: BufRead>(input: R, bounds: ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let mut xml = Xml::new(input, bounds.document_bytes)?;
    read_root(&mut xml)?;
    let mut table = None;
    loop {
        let is_outside = xml.depth() == 0;
        match xml.next()? {
            Node::Open(_) if is_outside => return Err(xml.structure("there is something behind the VOTABLE")),
            Node::Text(text) if is_outside && !text.trim().is_empty() => {
                return Err(xml.structure("there is text behind the VOTABLE"));
            }
            Node::Open(tag) => match tag.name() {
                "RESOURCE" => {}
                "TABLE" if table.is_none() => {
                    let attributes = tag.attributes()?;
                    table = Some(read_table(&mut xml, &attributes, bounds)?);
                }
                "INFO" => {
                    let attributes = tag.attributes()?;
                    check_info(&mut xml, &attributes)?;
                }
                _ => xml.skip()?,
            },
            Node::End => break,
            Node::Close | Node::Text(_) | Node::Nothing => {}
        }
    }
    table.ok_or_else(|| xml.structure("the document has no TABLE"))
}

fn read_root<R: BufRead>(xml: &mut Xml<R>) -> Result<()> {
    loop {
        match xml.next()? {
            Node::Open(tag) => {
                let (found, attributes) = (quoted(tag.name()), tag.attributes()?);
                let version = attributes.get("version").unwrap_or("1.1").trim();
                return match (found.as_str(), version) {
                    ("VOTABLE", version) if version.starts_with("1.") => Ok(()),
                    ("VOTABLE", version) => {
                        Err(xml.structure(format!("VOTable {:?} is not read; write version 1.4", quoted(version))))
                    }
                    (found, _) => Err(xml.structure(format!("the document is a {found:?}, not a VOTABLE"))),
                };
            }
            Node::Text(text) if !text.trim().is_empty() => {
                return Err(xml.structure("the document begins with text; it is no VOTable"));
            }
            Node::End => return Err(xml.structure("the document has no element; it is no VOTable")),
            Node::Close | Node::Text(_) | Node::Nothing => {}
        }
    }
}

/// Reads an INFO whose start was read, to its end. DALI 1.1 section 4.4.
fn check_info<R: BufRead>(xml: &mut Xml<R>, attributes: &Attributes) -> Result<()> {
    let value = |key| attributes.get(key).unwrap_or_default().trim();
    let failed = value("name").eq_ignore_ascii_case("QUERY_STATUS") && value("value").eq_ignore_ascii_case("ERROR");
    let text = xml.text(LONGEST_MESSAGE)?;
    if failed { Err(VotableError::QueryFailed { message: message(text.trim()) }) } else { Ok(()) }
}

/// Reads a TABLE whose start was read, to its end.
fn read_table<R: BufRead>(
    xml: &mut Xml<R>,
    attributes: &Attributes,
    bounds: ReadBounds,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let declared = match attributes.get("nrows").map(|rows| (rows, rows.trim().parse())) {
        None => None,
        Some((_, Ok(rows))) => Some(rows),
        Some((rows, Err(_))) => return Err(xml.structure(format!("nrows={:?} is no number of rows", quoted(rows)))),
    };
    let outside = xml.depth() - 1;
    let mut columns = Columns::Declared(Vec::new());
    while xml.depth() > outside {
        let Node::Open(tag) = xml.next()? else { continue };
        let attributes = tag.attributes()?;
        match tag.name() {
            "FIELD" => {
                let Columns::Declared(columns) = &mut columns else {
                    return Err(xml.structure("a FIELD comes after the DATA"));
                };
                add_field(xml, &attributes, columns)?;
            }
            "DATA" => {
                let Columns::Declared(declared) = &mut columns else {
                    return Err(xml.structure("a TABLE has a second DATA"));
                };
                if declared.is_empty() {
                    return Err(xml.structure("the TABLE has no FIELD of its own before its DATA"));
                }
                let mut rows = Rows::new(std::mem::take(declared), bounds);
                read_data(xml, &mut rows)?;
                columns = Columns::Filled(rows);
            }
            "INFO" => check_info(xml, &attributes)?,
            _ => xml.skip()?,
        }
    }
    match columns {
        Columns::Filled(rows) => rows.finish(declared),
        Columns::Declared(columns) if columns.is_empty() => Err(xml.structure("the TABLE has no FIELD")),
        Columns::Declared(columns) => Rows::new(columns, bounds).finish(declared),
    }
}

enum Columns {
    Declared(Vec<VoColumn>),
    Filled(Rows),
}

fn add_field<R: BufRead>(xml: &mut Xml<R>, attributes: &Attributes, columns: &mut Vec<VoColumn>) -> Result<()> {
    if columns.len() == MOST_COLUMNS {
        return Err(VotableError::Bound { line: xml.line(), what: "the number of FIELDs", most: MOST_COLUMNS as u64 });
    }
    let column = VoColumn::read(xml, attributes, columns.len() + 1)?;
    if columns.iter().any(|other| other.name == column.name) {
        let (line, name) = (xml.line(), quoted(&column.name));
        let problem = "another FIELD has the same name; rename one".to_owned();
        return Err(VotableError::Field { line, column: columns.len() + 1, name, problem });
    }
    columns.push(column);
    Ok(())
}

/// Reads a DATA whose start was read, to its end.
fn read_data<R: BufRead>(xml: &mut Xml<R>, rows: &mut Rows) -> Result<()> {
    let outside = xml.depth() - 1;
    let mut seen = false;
    while xml.depth() > outside {
        let Node::Open(tag) = xml.next()? else { continue };
        let name = quoted(tag.name());
        if name == "INFO" {
            let attributes = tag.attributes()?;
            check_info(xml, &attributes)?;
            continue;
        }
        if std::mem::replace(&mut seen, true) {
            return Err(xml.structure("a DATA has a second serialization"));
        }
        match name.as_str() {
            "TABLEDATA" => tabledata::read(xml, rows)?,
            "BINARY" => binary::read(xml, rows, false)?,
            "BINARY2" => binary::read(xml, rows, true)?,
            other => {
                return Err(xml.structure(format!("rows as {other} are not read; write TABLEDATA, BINARY or BINARY2")));
            }
        }
    }
    Ok(())
}
