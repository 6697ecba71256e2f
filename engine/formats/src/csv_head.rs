//! The first record of a CSV or TSV file, looked at before anything is made of it: a reader keeps something for each of its columns.

use std::io::{self, Read};

use crate::incoming::MOST_COLUMNS;

/// Bytes of its first record at most.
const MOST_BYTES: u64 = 1 << 20;

/// Where in a record a reader is. RFC 4180 section 2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote in a quoted field: its end, or half of a quote that belongs to it.
    AfterQuote,
}

/// What is too much in the first record, if something is.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn excess(file: impl Read, delimiter: u8) -> io::Result<Option<String>> {
    let (mut place, mut columns, mut length) = (Place::FieldStart, 1, 0);
    for byte in io::BufReader::new(file).take(MOST_BYTES).bytes() {
        length += 1;
        place = match (place, byte?) {
            (Place::Quoted, b'"') => Place::AfterQuote,
            (Place::Quoted, _) | (Place::FieldStart | Place::AfterQuote, b'"') => Place::Quoted,
            (_, b'\n' | b'\r') => return Ok(None),
            (_, byte) if byte == delimiter => {
                columns += 1;
                Place::FieldStart
            }
            _ => Place::Unquoted,
        };
        if columns > MOST_COLUMNS {
            return Ok(Some(format!("the first line has more than {MOST_COLUMNS} columns")));
        }
    }
    Ok((length == MOST_BYTES).then(|| format!("the first line is longer than {MOST_BYTES} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_has_a_bound_however_it_is_quoted() {
        let many = ",".repeat(MOST_COLUMNS);
        for (file, fits) in [
            ("a,b\n1,2\n".to_owned(), true),
            (format!("a\n{many}"), true),
            (format!("\"{many}\"\n"), true),
            (many.clone(), false),
            (format!("\"a\nb\"{many}\n"), false),
            (format!("a\",\"\n\"{many}\n"), false),
            (format!("\"a\"\"\n\"{many}\n"), false),
            ("x".repeat(2 << 20), false),
            (format!("\"{}", "\n".repeat(2 << 20)), false),
        ] {
            assert_eq!(excess(file.as_bytes(), b',').unwrap().is_none(), fits, "{:?}", &file[..file.len().min(20)]);
        }
    }
}
