//! The bytes of an inline STREAM, decoded as they are asked for. VOTable 1.4 section 5.5, RFC 4648 section 4.

use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Result;
use super::xml::{Node, Xml};

pub(super) struct Base64<'x, R> {
    xml: &'x mut Xml<R>,
    /// Characters not yet decoded; fewer than four once all others are.
    characters: Vec<u8>,
    raw: Vec<u8>,
    bytes: Vec<u8>,
    /// Bytes that were taken.
    taken: usize,
    padded: bool,
    ended: bool,
}

impl<'x, R: BufRead> Base64<'x, R> {
    /// The bytes of the STREAM whose start was read.
    pub(super) fn new(xml: &'x mut Xml<R>) -> Self {
        let (characters, raw, bytes) = (Vec::new(), Vec::new(), Vec::new());
        Base64 { xml, characters, raw, bytes, taken: 0, padded: false, ended: false }
    }

    pub(super) fn line(&self) -> u64 {
        self.xml.line()
    }

    /// The next bytes, or how many there are if there are fewer. Memory grows with what is there, not with what is asked for.
    pub(super) fn take(&mut self, count: usize) -> Result<std::result::Result<&[u8], usize>> {
        while self.bytes.len() - self.taken < count {
            if self.ended {
                return Ok(Err(self.bytes.len() - self.taken));
            }
            self.fill()?;
        }
        let start = self.taken;
        self.taken += count;
        Ok(Ok(&self.bytes[start..self.taken]))
    }

    /// Whether all bytes were taken.
    pub(super) fn is_at_end(&mut self) -> Result<bool> {
        while self.bytes.len() == self.taken && !self.ended {
            self.fill()?;
        }
        Ok(self.bytes.len() == self.taken)
    }

    fn fill(&mut self) -> Result<()> {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.raw.clear();
        if !self.xml.raw_text(&mut self.raw)? {
            match self.xml.next()? {
                Node::Text(text) => self.raw.extend_from_slice(text.as_bytes()),
                Node::Nothing => {}
                Node::Open(_) => return Err(self.xml.structure("a STREAM has an element in it; base64 is expected")),
                Node::Close | Node::End => self.ended = true,
            }
        }
        self.characters.extend(self.raw.iter().filter(|byte| !byte.is_ascii_whitespace()));
        self.decode()
    }

    fn decode(&mut self) -> Result<()> {
        let whole = self.characters.len() - self.characters.len() % 4;
        let garbage = |what: &str| format!("the STREAM is no base64: {what}");
        if self.padded && !self.characters.is_empty() {
            return Err(self.xml.structure(garbage("it goes on after the = that end it")));
        }
        if let Err(error) = STANDARD.decode_vec(&self.characters[..whole], &mut self.bytes) {
            return Err(self.xml.structure(garbage(&error.to_string())));
        }
        self.padded = self.characters[..whole].last() == Some(&b'=');
        self.characters.drain(..whole);
        if self.ended && !self.characters.is_empty() {
            return Err(self.xml.structure(garbage("its last characters are not four")));
        }
        Ok(())
    }
}
