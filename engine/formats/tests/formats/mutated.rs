//! Valid documents with bytes changed at random: reading them ends with a table or an error, never otherwise.

use spolia_formats::{Format, ReadBounds, Status, read_fits, read_votable};

use crate::sample;
use crate::table::Random;

/// What is put in at random beside bytes.
const TOKENS: &[&str] = &[
    "<",
    ">",
    "&",
    "\"",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "<!DOCTYPE x>",
    "</TD>",
    "<TD>",
    "</TR>",
    "<TABLE>",
    "</DATA>",
    "/>",
    "arraysize=\"*\"",
    "arraysize=\"4294967296\"",
    "null=\"-1\"",
    "datatype=\"bit\"",
    "&#0;",
    "&amp;",
    "=",
    "\u{FFFF}",
    "9",
];

#[test]
fn changed_documents_never_panic() {
    let bounds = ReadBounds { rows: 100, document_bytes: 1 << 20, memory_bytes: 1 << 20 };
    let mut random = Random(1);
    let (mut read, mut refused) = (0, 0);
    for format in [Format::VotableTabledata, Format::VotableBinary, Format::VotableBinary2] {
        let whole = sample::encode(format, &Status::Ok);
        for _ in 0..3000 {
            let mut document = whole.clone();
            for _ in 0..=random.below(3) {
                random.mutate(&mut document, TOKENS);
            }
            match read_votable(document.as_slice(), &bounds) {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(read > 100 && refused > 1000, "{read} were read, {refused} refused");
}

/// Cards of FITS headers.
const CARDS: &[&str] =
    &["TFORM1  = '1048576D'", "TFORM2  = '1Q(3)'", "NAXIS2  = 99999999999999999999", "TZERO1  = 1E999", "END", "\0"];

#[test]
fn changed_fits_files_never_panic() {
    let bounds = ReadBounds { rows: 100, document_bytes: 1 << 20, memory_bytes: 1 << 20 };
    let mut random = Random(2);
    let whole = sample::encode_without_heap();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..6000 {
        let mut file = whole.clone();
        match random.below(2) {
            // A header is a small part of the file, and most changes of length are found at once.
            0 => random.mutate(&mut file, CARDS),
            _ => {
                for _ in 0..=random.below(4) {
                    let (at, card) = (random.below(9000), CARDS[random.below(CARDS.len())].as_bytes());
                    let at = at - at % 80;
                    file[at..at + card.len()].copy_from_slice(card);
                    let at = random.below(9000);
                    file[at] = b' ' + u8::try_from(random.below(95)).unwrap();
                }
            }
        }
        match read_fits(file.as_slice(), &bounds) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(read > 100 && refused > 1000, "{read} were read, {refused} refused");
}
