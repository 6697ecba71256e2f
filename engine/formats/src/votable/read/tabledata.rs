//! Rows as XML elements. VOTable 1.4 section 5.1.
//!
//! An empty cell is a null, whatever its type; so an empty text is, which VOTable doesn't tell from none.

use std::io::BufRead;

use super::error::{Result, VotableError, quoted};
use super::field::VoColumn;
use super::rows::{Rows, push_text};
use super::xml::{Node, Xml};
use crate::incoming::{Arity, IncomingColumn};

/// Reads a TABLEDATA whose start was read, to its end.
pub(super) fn read<R: BufRead>(xml: &mut Xml<R>, rows: &mut Rows) -> Result<()> {
    let mut text = String::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "TR" => row(xml, rows, &mut text)?,
            Node::Open(tag) => {
                let problem = format!("a TABLEDATA has TR elements only, not {}", quoted(tag.name()));
                return Err(xml.structure(problem));
            }
            Node::Text(text) if !text.trim().is_empty() => {
                return Err(xml.structure("a TABLEDATA has text outside of its cells"));
            }
            Node::Close | Node::End => return Ok(()),
            Node::Text(_) | Node::Nothing => {}
        }
    }
}

fn row<R: BufRead>(xml: &mut Xml<R>, rows: &mut Rows, text: &mut String) -> Result<()> {
    let mut cells = 0;
    loop {
        while cells < rows.columns.len()
            && let Some(text) = xml.plain_element("TD")
        {
            rows.push(cells, |column, incoming| push_cell(column, incoming, text))?;
            cells += 1;
        }
        match xml.next()? {
            Node::Open(tag) if tag.name() == "TD" => {
                let encoded = tag.attributes()?.get("encoding").is_some();
                if encoded {
                    return Err(xml.structure("a TD with an encoding is not read; write its value as text"));
                }
                cell_text(xml, text)?;
                if cells < rows.columns.len() {
                    rows.push(cells, |column, incoming| push_cell(column, incoming, text))?;
                }
                cells += 1;
            }
            Node::Open(tag) => {
                let problem = format!("a TR has TD elements only, not {}", quoted(tag.name()));
                return Err(xml.structure(problem));
            }
            Node::Text(text) if !text.trim().is_empty() => {
                return Err(xml.structure("a TR has text outside of its cells"));
            }
            Node::Close | Node::End => break,
            Node::Text(_) | Node::Nothing => {}
        }
    }
    if cells != rows.columns.len() {
        let problem = format!("it has {cells} cells where there are {} FIELDs", rows.columns.len());
        return Err(VotableError::Row { row: rows.number(), line: xml.line(), problem });
    }
    rows.end_row()
}

/// The text of a TD whose start was read, to its end.
fn cell_text<R: BufRead>(xml: &mut Xml<R>, text: &mut String) -> Result<()> {
    text.clear();
    loop {
        match xml.next()? {
            Node::Text(piece) => text.push_str(&piece),
            Node::Close | Node::End => return Ok(()),
            Node::Open(_) => return Err(xml.structure("a TD has an element in it; write its value as text")),
            Node::Nothing => {}
        }
        if text.len() as u64 > super::source::LONGEST_PIECE {
            return Err(VotableError::long_piece(xml.line()));
        }
    }
}

fn push_cell(column: &VoColumn, incoming: &mut IncomingColumn, text: &str) -> std::result::Result<(), String> {
    if column.datatype.is_text() {
        return push_text(column, incoming, text);
    }
    if incoming.arity() == Arity::One {
        incoming.push(column.number(text)?);
        return Ok(());
    }
    let mut elements = 0;
    for element in text.split_ascii_whitespace() {
        incoming.push(column.number(element)?);
        elements += 1;
    }
    match incoming.arity() {
        _ if elements == 0 => incoming.push_null(),
        Arity::Fixed(size) if size != elements => {
            return Err(format!("it has {elements} elements where its FIELD declares {size}"));
        }
        Arity::Any if elements % column.inner != 0 => {
            return Err(format!("it has {elements} elements, not a multiple of {}", column.inner));
        }
        _ => incoming.end_array(),
    }
    Ok(())
}
