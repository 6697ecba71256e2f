//! Tests on chunks that libhdf5 and the registered plugins wrote; `tests/filter/make.py` made them.

use std::collections::HashMap;

use super::{Decoder, Filter, unknown};

const CASES: &str = include_str!("../../tests/filter/cases.txt");

struct Case {
    name: &'static str,
    filters: Vec<Filter>,
    mask: u32,
    stored: Vec<u8>,
    expected: Vec<u8>,
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    hexadecimal.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn pipeline(text: &str) -> Vec<Filter> {
    let filter = |text: &str| {
        let (id, values) = text.split_once(':').unwrap();
        let client_data =
            values.split(',').filter(|value| !value.is_empty()).map(|value| value.parse().unwrap()).collect();
        Filter { id: id.parse().unwrap(), flags: 0, name: None, client_data }
    };
    text.split(';').map(filter).collect()
}

fn cases() -> Vec<Case> {
    let mut raw = HashMap::new();
    let mut cases = Vec::new();
    for line in CASES.lines() {
        let fields: Vec<&'static str> = line.split(' ').collect();
        match *fields {
            ["raw", name, content, times] => {
                raw.insert(name, bytes(content).repeat(times.parse().unwrap()));
            }
            ["case", name, of, mask, filters, stored] => cases.push(Case {
                name,
                filters: pipeline(filters),
                mask: mask.parse().unwrap(),
                stored: bytes(stored),
                expected: raw[of].clone(),
            }),
            _ => panic!("neither raw nor case: {line}"),
        }
    }
    cases
}

#[test]
fn what_libhdf5_and_the_plugins_wrote_comes_back() {
    let mut decoder = Decoder::new();
    for case in cases() {
        assert_eq!(unknown(&case.filters), None, "{}", case.name);
        let decoded = decoder.decode(&case.filters, case.mask, &case.stored, case.expected.len());
        assert!(decoded.as_ref() == Ok(&case.expected), "{}: {:?}", case.name, decoded.err());
    }
}

#[test]
fn a_chunk_of_another_size_is_an_error() {
    let mut decoder = Decoder::new();
    for case in cases() {
        for size in [0, case.expected.len() - 1, case.expected.len() + 1] {
            assert!(decoder.decode(&case.filters, case.mask, &case.stored, size).is_err(), "{} as {size}", case.name);
        }
    }
}

#[test]
fn a_chunk_that_is_cut_short_never_comes_back_whole() {
    let mut decoder = Decoder::new();
    for case in cases() {
        for length in (0..case.stored.len()).step_by(1 + case.stored.len() / 60) {
            let decoded = decoder.decode(&case.filters, case.mask, &case.stored[..length], case.expected.len());
            assert!(decoded.is_err() || decoded.as_ref() == Ok(&case.expected), "{} cut to {length}", case.name);
        }
    }
}

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// Changes a few bytes, most often to those that lengths and counts go wrong with, or the filter's own numbers.
fn damage(case: &Case, numbers: &mut Numbers) -> (Vec<Filter>, Vec<u8>) {
    let (mut filters, mut stored) = (case.filters.clone(), case.stored.clone());
    for _ in 0..1 + numbers.below(3) {
        // Headers stand in front, and a hit there counts for more.
        let near = if numbers.below(2) == 0 { stored.len().min(32) } else { stored.len() };
        let at = numbers.below(near);
        match numbers.below(8) {
            0..3 => stored.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << (at % 8)),
            3 => stored.get_mut(at).into_iter().for_each(|byte| *byte = 0xff),
            4 => stored.get_mut(at).into_iter().for_each(|byte| *byte = 0),
            5 => stored.truncate(at),
            6 => stored.extend_from_within(at..),
            _ => {
                let filter = numbers.below(filters.len());
                let data = &mut filters[filter].client_data;
                let place = numbers.below(data.len());
                let value = [0, 1, 7, 64, 0x1_0000, u32::MAX][numbers.below(6)];
                data.get_mut(place).into_iter().for_each(|number| *number = value);
            }
        }
    }
    (filters, stored)
}

#[test]
fn damaged_chunks_give_errors_or_chunks_of_the_right_size() {
    let (mut decoder, mut numbers) = (Decoder::new(), Numbers(0x9e37_79b9_7f4a_7c15));
    for case in cases() {
        let rounds = if case.expected.len() > 10_000 { 200 } else { 2000 };
        for _ in 0..rounds {
            let (filters, stored) = damage(&case, &mut numbers);
            if let Ok(decoded) = decoder.decode(&filters, case.mask, &stored, case.expected.len()) {
                assert_eq!(decoded.len(), case.expected.len(), "{}", case.name);
            }
        }
    }
}
