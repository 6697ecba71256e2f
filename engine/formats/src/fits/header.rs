//! FITS headers: 80-character cards in blocks. FITS 4.0 section 4.

use super::BLOCK;

const CARD: usize = 80;
/// Characters of a text value between its quotes, less the `&` that continues it.
const TEXT: usize = 67;
/// Characters of a COMMENT.
const COMMENT: usize = 72;

pub(super) struct Header {
    cards: Vec<u8>,
}

impl Header {
    /// The empty primary array that must come first.
    pub(super) fn primary() -> Self {
        let mut header = Header { cards: Vec::new() };
        header.value("SIMPLE", "T");
        header.integer("BITPIX", 8);
        header.integer("NAXIS", 0);
        header.value("EXTEND", "T");
        header
    }

    /// The mandatory keywords of a binary table, sizes in bytes.
    pub(super) fn table(row_width: usize, rows: usize, heap: usize, columns: usize) -> Self {
        let mut header = Header { cards: Vec::new() };
        header.text("XTENSION", "BINTABLE");
        let size = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let keywords = [
            ("BITPIX", 8),
            ("NAXIS", 2),
            ("NAXIS1", size(row_width)),
            ("NAXIS2", size(rows)),
            ("PCOUNT", size(heap)),
            ("GCOUNT", 1),
            ("TFIELDS", size(columns)),
        ];
        for (keyword, value) in keywords {
            header.integer(keyword, value);
        }
        header
    }

    pub(super) fn integer(&mut self, keyword: &str, value: i64) {
        self.value(keyword, &value.to_string());
    }

    /// A text value; one too long for a card goes on in CONTINUE cards (section 4.2.1.2).
    pub(super) fn text(&mut self, keyword: &str, value: &str) {
        let quoted: Vec<String> =
            value.chars().map(printable).map(|c| if c == '\'' { "''".to_owned() } else { c.to_string() }).collect();
        let mut parts = vec![String::new()];
        for character in quoted {
            match parts.last_mut() {
                Some(part) if part.len() + character.len() <= TEXT => part.push_str(&character),
                _ => parts.push(character),
            }
        }
        let last = parts.len() - 1;
        for (at, part) in parts.iter().enumerate() {
            let start = if at == 0 { format!("{keyword:<8}= ") } else { "CONTINUE  ".to_owned() };
            // Keyword values shorter than eight characters are padded for old readers of XTENSION.
            let end = if at == last { "" } else { "&" };
            self.card(&format!("{start}'{part:<8}{end}'"));
        }
    }

    /// Free text over as many COMMENT cards as it takes.
    pub(super) fn comment(&mut self, text: &str) {
        let printable: Vec<char> = text.chars().map(printable).collect();
        for line in printable.chunks(COMMENT) {
            self.card(&format!("COMMENT {}", line.iter().collect::<String>()));
        }
    }

    /// Appends the header, ended and filled up to whole blocks.
    pub(super) fn write(mut self, out: &mut Vec<u8>) {
        self.card("END");
        let length = self.cards.len().next_multiple_of(BLOCK);
        self.cards.resize(length, b' ');
        out.append(&mut self.cards);
    }

    fn value(&mut self, keyword: &str, value: &str) {
        self.card(&format!("{keyword:<8}= {value:>20}"));
    }

    fn card(&mut self, text: &str) {
        let start = self.cards.len();
        self.cards.extend_from_slice(text.as_bytes());
        self.cards.resize(start + CARD, b' ');
    }
}

/// The character itself if FITS can hold it.
fn printable(character: char) -> char {
    match character {
        ' '..='~' => character,
        '\n' | '\r' | '\t' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_go_on_in_continue_cards() {
        let mut header = Header { cards: Vec::new() };
        header.text("TCOMM1", &"it's ".repeat(30));
        let cards: Vec<String> =
            header.cards.chunks(CARD).map(|card| String::from_utf8_lossy(card).trim_end().to_owned()).collect();
        assert!(cards.len() > 2 && cards[0].starts_with("TCOMM1  = 'it''s ") && cards[0].ends_with("&'"), "{cards:?}");
        assert!(cards[1].starts_with("CONTINUE  '") && cards.iter().all(|card| card.len() <= CARD));
        let value: String = cards.iter().map(|card| card[11..].trim_end_matches('\'').trim_end_matches('&')).collect();
        assert_eq!(value.replace("''", "'"), "it's ".repeat(30));
    }

    #[test]
    fn a_header_fills_whole_blocks() {
        let mut out = Vec::new();
        Header::primary().write(&mut out);
        assert_eq!(out.len(), BLOCK);
        assert!(out.starts_with(b"SIMPLE  =                    T"));
    }
}
