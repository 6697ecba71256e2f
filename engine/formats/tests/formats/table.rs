//! What the tests of tables that come in have in common.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, SchemaRef};
use spolia_formats::{Encoder, Format, ResultInfo, Status};

/// The rows as tab-separated values, by column.
pub fn columns(schema: SchemaRef, batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let count = schema.fields().len();
    let mut encoder = Encoder::new(Format::Tsv, schema, ResultInfo::default()).unwrap();
    batches.iter().for_each(|batch| encoder.batch(batch, &mut out).unwrap());
    encoder.finish(&Status::Ok, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    (0..count).map(|at| rows.iter().map(|row| row[at].to_owned()).collect()).collect()
}

pub fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

pub fn fixed(item: DataType, size: i32) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new("item", item, true)), size)
}

/// The metadata of a field, in order of the keys.
pub fn metadata(field: &Field) -> Vec<(&str, &str)> {
    let mut entries: Vec<_> = field.metadata().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    entries.sort_unstable();
    entries
}

/// Steele & Vigna, "SplitMix": any seed is as good as another.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((word ^ word >> 31) % end.max(1) as u64).unwrap()
    }

    /// Changes one place of a document, where one of the tokens may come in.
    pub fn mutate(&mut self, document: &mut Vec<u8>, tokens: &[&str]) {
        let (at, length) = (self.below(document.len()), self.below(64));
        let end = (at + length).min(document.len());
        match self.below(5) {
            0 => document[at] = u8::try_from(self.below(256)).unwrap(),
            1 => drop(document.drain(at..end)),
            2 => {
                let copy = document[at..end].to_vec();
                let to = self.below(document.len());
                document.splice(to..to, copy);
            }
            3 => drop(document.splice(at..at, tokens[self.below(tokens.len())].bytes())),
            _ => document.truncate(at.max(1)),
        }
    }
}
