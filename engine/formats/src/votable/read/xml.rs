//! XML as a sequence of nodes, with everything refused that could make a small document large or reach out of it.
//!
//! There is no DTD and no entity but XML's own five and characters by number; how deep elements lie, how long a piece is, and how
//! many attributes a tag has is bounded. Element names are compared without their namespace prefix.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};

use super::error::{Result, VotableError, quoted};
use super::source::{Met, Source};
use crate::incoming::message;

/// How deep elements may lie in each other. RESOURCEs and GROUPs nest, hardly ever more than three deep.
const DEEPEST: usize = 64;
/// Attributes of a tag; a FIELD has 13.
const MOST_ATTRIBUTES: usize = 64;
/// Bytes of an attribute's value.
const LONGEST_ATTRIBUTE: usize = 64 << 10;
/// Bytes of an element's name.
const LONGEST_NAME: usize = 256;
/// Bytes of a stream's text that are taken at once.
const RAW_PIECE: usize = 64 << 10;

pub(super) struct Xml<R> {
    reader: Reader<Source<R>>,
    buffer: Vec<u8>,
    depth: usize,
    /// An empty element was opened, which is closed next.
    closes: bool,
}

pub(super) enum Node<'a> {
    Open(Tag<'a>),
    Close,
    Text(Cow<'a, str>),
    /// A comment or the like.
    Nothing,
    /// The document ended, all elements closed.
    End,
}

impl<R: BufRead> Xml<R> {
    /// # Errors
    /// [`VotableError::Encoding`] for what begins like UTF-16 or compressed data.
    pub(super) fn new(mut input: R, document_bytes: u64) -> Result<Self> {
        let start = input.fill_buf().map_err(|source| VotableError::Input { line: 1, source })?;
        let found = match start {
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [b'<', 0, ..] | [0, b'<', ..] | [0, 0, ..] => {
                Some("UTF-16 or UTF-32")
            }
            [0x1F, 0x8B, ..] => Some("compressed with gzip"),
            [] => return Err(VotableError::Structure { line: 1, problem: "the document is empty".to_owned() }),
            _ => None,
        };
        if let Some(found) = found {
            return Err(VotableError::Encoding { found: found.to_owned() });
        }
        let reader = Reader::from_reader(Source::new(input, document_bytes));
        Ok(Xml { reader, buffer: Vec::new(), depth: 0, closes: false })
    }

    pub(super) fn line(&self) -> u64 {
        self.reader.get_ref().line()
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn structure(&self, problem: impl Into<String>) -> VotableError {
        VotableError::Structure { line: self.line(), problem: problem.into() }
    }

    /// The next node. The start of an empty element is followed by its end.
    pub(super) fn next(&mut self) -> Result<Node<'_>> {
        if std::mem::take(&mut self.closes) {
            self.depth = self.depth.saturating_sub(1);
            return Ok(Node::Close);
        }
        self.buffer.clear();
        self.reader.get_mut().begin_piece();
        let event = self.reader.read_event_into(&mut self.buffer);
        let source = self.reader.get_ref();
        let line = source.line();
        let event = event.map_err(|error| refused(error, source.met(), line))?;
        match event {
            Event::Start(start) => open(&mut self.depth, start, line),
            Event::Empty(start) => {
                self.closes = true;
                open(&mut self.depth, start, line)
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(Node::Close)
            }
            Event::Text(text) => legal(text.xml10_content(), line),
            Event::CData(text) => legal(text.xml10_content(), line),
            Event::GeneralRef(reference) => resolved(&reference, line),
            Event::Decl(declaration) => declared(&declaration, line),
            Event::DocType(_) => Err(VotableError::Doctype { line }),
            Event::Comment(_) | Event::PI(_) => Ok(Node::Nothing),
            Event::Eof if self.depth > 0 => Err(cut_off(line)),
            Event::Eof => Ok(Node::End),
        }
    }

    /// Reads on to the end of an element that was just opened.
    pub(super) fn skip(&mut self) -> Result<()> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// The text in an element that was just opened, to its end. What is in elements within it is left out.
    pub(super) fn text(&mut self, most_bytes: usize) -> Result<String> {
        let outside = self.depth.saturating_sub(1);
        let mut text = String::new();
        while self.depth > outside {
            if let Node::Text(piece) = self.next()? {
                text.push_str(&piece);
            }
            if text.len() > most_bytes {
                return Err(VotableError::Bound {
                    line: self.line(),
                    what: "the length of this text in bytes",
                    most: most_bytes as u64,
                });
            }
        }
        Ok(text)
    }

    /// Takes the next element at once, with white space before it, where it is in memory whole, has this name and no attributes, and its text
    /// has nothing that XML treats specially. Whatever else comes is left for [`Xml::next`].
    pub(super) fn plain_element(&mut self, name: &str) -> Option<&str> {
        if self.closes {
            return None;
        }
        self.reader.get_mut().begin_piece();
        let mut stream = self.reader.stream();
        let (length, text) = plain_element(stream.fill_buf().ok()?, name)?;
        self.buffer.clear();
        self.buffer.extend_from_slice(text.as_bytes());
        stream.consume(length);
        str::from_utf8(&self.buffer).ok()
    }

    /// Appends a piece of the text up to the next tag or reference; says whether there was any.
    pub(super) fn raw_text(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        if self.closes {
            return Ok(false);
        }
        self.reader.get_mut().begin_piece();
        let mut stream = self.reader.stream();
        let taken = match stream.fill_buf() {
            Ok(available) => {
                let piece = &available[..available.len().min(RAW_PIECE)];
                let end = piece.iter().position(|byte| matches!(byte, b'<' | b'&')).unwrap_or(piece.len());
                out.extend_from_slice(&piece[..end]);
                end
            }
            Err(source) => {
                let (met, line) = (stream.get_ref().met(), stream.get_ref().line());
                return Err(refused(Error::from(source), met, line));
            }
        };
        stream.consume(taken);
        Ok(taken > 0)
    }
}

/// The length of `<name>text</name>` at the beginning, and the text.
fn plain_element<'a>(available: &'a [u8], name: &str) -> Option<(usize, &'a str)> {
    let element = available.trim_ascii_start();
    let content = element.strip_prefix(b"<")?.strip_prefix(name.as_bytes())?.strip_prefix(b">")?;
    let (text, end) = content.split_at(content.iter().position(|byte| *byte == b'<')?);
    let rest = end.strip_prefix(b"</")?.strip_prefix(name.as_bytes())?.strip_prefix(b">")?;
    // References, line ends that XML normalises, characters that are none of XML's; 0xEF begins U+FFFE and U+FFFF.
    let special = |byte: &u8| matches!(byte, b'&' | 0..0x20 | 0xEF);
    let text = if text.iter().any(special) { None } else { str::from_utf8(text).ok() };
    Some((available.len() - rest.len(), text?))
}

fn cut_off(line: u64) -> VotableError {
    VotableError::Xml { line, problem: "the document ends before all of its elements do; is it cut off?".to_owned() }
}

fn refused(error: Error, met: Option<Met>, line: u64) -> VotableError {
    match (error, met) {
        (_, Some(Met::Piece)) => VotableError::long_piece(line),
        (_, Some(Met::Document)) => VotableError::TooLarge(format!(
            "the VOTable goes on after line {line}, where as many bytes were read as may be brought along"
        )),
        (Error::Io(source), None) => {
            VotableError::Input { line, source: std::io::Error::new(source.kind(), source.to_string()) }
        }
        (Error::Encoding(_), None) => VotableError::Encoding { found: format!("not UTF-8 near line {line}") },
        (error, None) => VotableError::Xml { line, problem: message(&error.to_string()) },
    }
}

fn open<'a>(depth: &mut usize, start: BytesStart<'a>, line: u64) -> Result<Node<'a>> {
    *depth += 1;
    if *depth > DEEPEST {
        return Err(VotableError::Bound { line, what: "the depth of elements in each other", most: DEEPEST as u64 });
    }
    if start.name().as_ref().len() > LONGEST_NAME {
        return Err(VotableError::Bound {
            line,
            what: "the length of an element's name in bytes",
            most: LONGEST_NAME as u64,
        });
    }
    Ok(Node::Open(Tag { start, line }))
}

/// XML 1.0 section 2.2.
fn legal(text: Cow<'_, str>, line: u64) -> Result<Node<'_>> {
    let illegal =
        |c: char| matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}');
    match text.chars().find(|c| illegal(*c)) {
        None => Ok(Node::Text(text)),
        Some(c) => {
            let problem = format!("the character U+{:04X} is none of XML's", u32::from(c));
            Err(VotableError::Xml { line, problem })
        }
    }
}

fn resolved<'a>(reference: &BytesRef<'_>, line: u64) -> Result<Node<'a>> {
    let named = resolve_xml_entity(reference).map(Cow::Borrowed);
    let numbered = || {
        let character = reference.resolve_char_ref().ok().flatten()?;
        Some(Cow::Owned(character.to_string()))
    };
    match named.or_else(numbered) {
        Some(text) => legal(text, line),
        None => Err(VotableError::Entity { line, name: quoted(reference) }),
    }
}

fn declared<'a>(declaration: &BytesDecl<'_>, line: u64) -> Result<Node<'a>> {
    let wrong = |error: quick_xml::events::attributes::AttrError| VotableError::Xml {
        line,
        problem: message(&error.to_string()),
    };
    match declaration.encoding().transpose().map_err(wrong)? {
        Some(name) if !["utf-8", "utf8", "us-ascii", "ascii"].contains(&name.to_ascii_lowercase().as_str()) => {
            Err(VotableError::Encoding { found: format!("declared as {}", quoted(&name)) })
        }
        _ => Ok(Node::Nothing),
    }
}

/// The start of an element.
pub(super) struct Tag<'a> {
    start: BytesStart<'a>,
    line: u64,
}

impl Tag<'_> {
    /// The element's name without prefix.
    pub(super) fn name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// The attributes without prefix, by name; none is missing and none is too long.
    pub(super) fn attributes(&self) -> Result<Attributes> {
        let mut found = Vec::new();
        for attribute in self.start.attributes() {
            let attribute = attribute
                .map_err(|error| VotableError::Xml { line: self.line, problem: message(&error.to_string()) })?;
            if found.len() == MOST_ATTRIBUTES {
                return Err(self.bound("the number of a tag's attributes", MOST_ATTRIBUTES));
            }
            if attribute.value.len() > LONGEST_ATTRIBUTE {
                return Err(self.bound("the length of an attribute in bytes", LONGEST_ATTRIBUTE));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| VotableError::Xml { line: self.line, problem: message(&error.to_string()) })?;
            found.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        Ok(Attributes(found))
    }

    fn bound(&self, what: &'static str, most: usize) -> VotableError {
        VotableError::Bound { line: self.line, what, most: most as u64 }
    }
}

/// Names and values.
pub(super) struct Attributes(Vec<(String, String)>);

impl Attributes {
    pub(super) fn of(given: Vec<(String, String)>) -> Self {
        Self(given)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(available: &str, expect: Option<(usize, &str)>) {
        assert_eq!(super::plain_element(available.as_bytes(), "TD"), expect, "{available:?}");
    }

    #[test]
    fn an_element_is_taken_at_once_where_nothing_in_it_is_special() {
        check("<TD>1.5</TD><TD>2</TD>", Some((12, "1.5")));
        check("\n  <TD>λ 🪐</TD>", Some((19, "λ 🪐")));
        check("<TD></TD>", Some((9, "")));
        let left = [
            "<TD>1.5</T",
            "<TD>1.5",
            "<TD",
            "",
            "<TD/>",
            "<TD encoding=\"base64\">x</TD>",
            "<TR><TD>1</TD>",
            "<TDX>1</TDX>",
            "<TD>1</TDX>",
            "<TD>a&amp;b</TD>",
            "<TD>a\r\nb</TD>",
            "<TD>\u{1}</TD>",
            "<TD>\u{FFFE}</TD>",
            "<TD><![CDATA[x]]></TD>",
            "<TD>a<!-- b --></TD>",
            "<v:TD>1</v:TD>",
            "x<TD>1</TD>",
        ];
        left.into_iter().for_each(|available| check(available, None));
        assert_eq!(super::plain_element(b"<TD>\xFF</TD>", "TD"), None);
    }
}
