//! Valid documents with bytes changed at random: reading them ends with a table or an error, never otherwise.

use spolia_formats::{Format, ReadBounds, Status, read_votable};

use crate::sample;

/// Steele & Vigna, "SplitMix": any seed is as good as another.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((word ^ word >> 31) % end.max(1) as u64).unwrap()
    }
}

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

/// Changes one place.
fn mutate(document: &mut Vec<u8>, random: &mut Random) {
    let (at, length) = (random.below(document.len()), random.below(64));
    let end = (at + length).min(document.len());
    match random.below(5) {
        0 => document[at] = u8::try_from(random.below(256)).unwrap(),
        1 => drop(document.drain(at..end)),
        2 => {
            let copy = document[at..end].to_vec();
            let to = random.below(document.len());
            document.splice(to..to, copy);
        }
        3 => drop(document.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
        _ => document.truncate(at.max(1)),
    }
}

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
                mutate(&mut document, &mut random);
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
