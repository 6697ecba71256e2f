//! Headers: cards of 80 characters, a keyword and a value each. FITS 4.0 section 4.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};

use super::{BLOCK, FitsReadError, Result};

const CARD: usize = 80;
/// Blocks of one header: 36 cards each, some 20 for each of 999 columns.
const MOST_BLOCKS: usize = 1000;

pub(super) struct Cards(HashMap<String, Value>);

enum Value {
    Text(String),
    /// A number or a logical value, as written.
    Plain(String),
}

impl Cards {
    /// Reads a header to its END; nothing if the input is at its end. `place` says which header it is.
    pub(super) fn read(input: &mut impl Read, place: &str) -> Result<Option<Self>> {
        let broken = |source| FitsReadError::Input { place: place.to_owned(), source };
        let mut cards = Cards(HashMap::new());
        let mut block = Vec::with_capacity(BLOCK);
        let mut last = None;
        for number in 0..MOST_BLOCKS {
            block.clear();
            let found = input.by_ref().take(BLOCK as u64).read_to_end(&mut block).map_err(broken)?;
            match (number, found) {
                (0, 0) => return Ok(None),
                (_, BLOCK) => {}
                _ => return Err(broken(ErrorKind::UnexpectedEof.into())),
            }
            for card in block.chunks_exact(CARD) {
                if !card.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                    return Err(FitsReadError::Header(format!(
                        "{place} has other characters than printable ASCII; it is no FITS"
                    )));
                }
                if card.starts_with(b"END     ") {
                    return Ok(Some(cards));
                }
                cards.add(card, &mut last);
            }
        }
        Err(FitsReadError::Header(format!("{place} has more than {MOST_BLOCKS} blocks without an END")))
    }

    /// Takes a card's value. `last` is the keyword of a text that the next card may continue.
    fn add(&mut self, card: &[u8], last: &mut Option<String>) {
        let text = String::from_utf8_lossy(card);
        let (keyword, rest) = text.split_at(8);
        if keyword == "CONTINUE" {
            let continued = last.as_ref().and_then(|key| self.0.get_mut(key));
            if let (Some(Value::Text(before)), Some(more)) = (continued, quoted(rest))
                && before.ends_with('&')
            {
                before.pop();
                before.push_str(&more);
            }
            return;
        }
        let Some(value) = rest.strip_prefix("= ") else { return };
        let value = match quoted(value) {
            Some(text) => Value::Text(text),
            None => Value::Plain(value.split('/').next().unwrap_or_default().trim().to_owned()),
        };
        let keyword = keyword.trim_end().to_owned();
        // The first of several counts.
        self.0.entry(keyword.clone()).or_insert(value);
        *last = Some(keyword);
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.0.contains_key(keyword)
    }

    /// A text, if it isn't empty.
    pub(super) fn text(&self, keyword: &str) -> Option<&str> {
        match self.0.get(keyword) {
            Some(Value::Text(text)) => Some(text.trim_end()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, keyword: &str) -> Option<T> {
        match self.0.get(keyword) {
            Some(Value::Plain(text)) => text.parse().ok(),
            _ => None,
        }
    }

    /// A count that the header must have.
    pub(super) fn size(&self, keyword: &str) -> Result<u64> {
        self.number(keyword)
            .ok_or_else(|| FitsReadError::Header(format!("the header has no {keyword}, or none that is a count")))
    }

    /// Bytes of the data behind the header, without what fills their last block. FITS 4.0 equation 2.
    pub(super) fn data_size(&self) -> Result<u64> {
        let axes = self.size("NAXIS")?;
        if axes == 0 {
            return Ok(0);
        }
        let bits: i64 = self.number("BITPIX").unwrap_or(8);
        let mut size: u64 = 1;
        for axis in 1..=axes.min(999) {
            size = size.saturating_mul(self.size(&format!("NAXIS{axis}"))?);
        }
        let more = self.number("PCOUNT").unwrap_or(0_u64);
        let groups = self.number("GCOUNT").unwrap_or(1_u64);
        // Far less than this is ever skipped.
        Ok((bits.unsigned_abs() / 8).saturating_mul(groups).saturating_mul(size.saturating_add(more)).min(1 << 60))
    }
}

/// A text in quotes, in which two are one; trailing spaces don't count.
fn quoted(value: &str) -> Option<String> {
    let mut rest = value.trim_start().strip_prefix('\'')?.chars().peekable();
    let mut text = String::new();
    while let Some(character) = rest.next() {
        if character != '\'' {
            text.push(character);
        } else if rest.next_if_eq(&'\'').is_some() {
            text.push('\'');
        } else {
            break;
        }
    }
    text.truncate(text.trim_end().len());
    Some(text)
}
