//! Ten thousand damaged files through the reader, the decoders and the copier: bits flipped and ends cut off, the same in every
//! run. There is an answer or an error each time, never a panic and never a loop without an end.
//!
//! The good files are our own, which hold every kind of storage, every filter and every structure that the writer knows, and the
//! small ones of the corpus (`data/hdf5`), where it is there. A damaged file is told by its seed and the name of the good one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic, and say what they have done")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use spolia_hdf5_format::attribute::attributes;
use spolia_hdf5_format::chunk_index::chunks;
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::filter::{Encoder, Filter};
use spolia_hdf5_format::layout::Layout;
use spolia_hdf5_format::link::{Target, find, is_group, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::RowReader;
use spolia_hdf5_format::write::{AttributeOut, DatasetOut, HeapBuilder, StorageOut, StoredChunk, Writer, Written};
use spolia_hdf5_format::{Bounds, Reader};

type Output = Writer<Vec<u8>>;

/// Damaged files.
const CASES: u64 = 10_000;
/// How long one of them may take, with others compiling beside it.
const MOST_TIME: Duration = Duration::from_secs(10);
/// Bytes of the largest file of the corpus that is damaged.
const SMALL: u64 = 48 << 10;
/// Bytes of a dataset that are decoded at most.
const DECODED: u64 = 4 << 20;

/// Datatype messages: an integer of 32 bits, one of 8, variable-length strings, and a compound of an integer and a list of them.
const INT32: &[u8] = &[0x10, 0x08, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0];
const UINT8: &[u8] = &[0x10, 0x00, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0];
const TEXT: &[u8] = &[0x19, 0x01, 0, 0, 16, 0, 0, 0, 0x13, 0, 0, 0, 1, 0, 0, 0];

/// A file that is whole.
struct Good {
    name: String,
    bytes: Bytes,
}

/// Numbers that look random and are the same each time (splitmix64, which takes any seed).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

/// A file with the members that `make` writes.
fn file(name: &str, make: impl FnOnce(&mut Output) -> Vec<(Vec<u8>, Written)>) -> Good {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let members = make(&mut writer);
    let root = writer.group(members, &[]).unwrap();
    Good { name: name.to_owned(), bytes: finished(writer, root) }
}

fn finished(writer: Output, root: Written) -> Bytes {
    let (mut bytes, superblock) = writer.finish(root).unwrap();
    bytes[..superblock.len()].copy_from_slice(&superblock);
    bytes.into()
}

fn simple(shape: &[u64]) -> Dataspace {
    Dataspace::Simple { shape: shape.to_vec(), max_shape: shape.iter().map(|size| Some(*size)).collect() }
}

fn dataset(datatype: &[u8], space: Dataspace, storage: StorageOut) -> DatasetOut {
    DatasetOut {
        datatype: Bytes::copy_from_slice(datatype),
        space,
        fill_value: None,
        filters: Vec::new(),
        storage,
        attributes: Vec::new(),
    }
}

fn numbers(count: i32) -> Vec<u8> {
    (0..count).flat_map(i32::to_le_bytes).collect()
}

fn chunk(writer: &mut Output, offset: Vec<u64>, stored: &[u8], filter_mask: u32) -> StoredChunk {
    let address = writer.put(stored).unwrap();
    StoredChunk { offset, address, size: stored.len() as u32, filter_mask }
}

/// Every kind of storage, with attributes, in groups.
fn every_storage() -> Good {
    file("every storage", |writer| {
        let place = writer.put(&numbers(6)).unwrap();
        let mut contiguous = dataset(INT32, simple(&[2, 3]), StorageOut::Contiguous(Some(place), 24));
        contiguous.attributes = some_attributes(writer);
        let contiguous = writer.dataset(&contiguous).unwrap();
        let compact = dataset(INT32, simple(&[2]), StorageOut::Compact(numbers(2).into()));
        let compact = writer.dataset(&compact).unwrap();
        let mut empty = dataset(INT32, simple(&[3]), StorageOut::Contiguous(None, 12));
        empty.fill_value = Some(Bytes::from_static(&[7, 0, 0, 0]));
        let empty = writer.dataset(&empty).unwrap();
        let (texts, size) = texts(writer, &["α Ceti", "", "a longer name"]);
        let place = writer.put(&texts).unwrap();
        let texts = dataset(TEXT, simple(&[3]), StorageOut::Contiguous(Some(place), size));
        let texts = writer.dataset(&texts).unwrap();
        let attributes = some_attributes(writer);
        let inner = writer.group(named([("compact", compact), ("texts", texts)]), &attributes).unwrap();
        let deflated = deflated(writer);
        named([("contiguous", contiguous), ("empty", empty), ("deflated", deflated), ("inner", inner)])
    })
}

fn named<const N: usize>(members: [(&str, Written); N]) -> Vec<(Vec<u8>, Written)> {
    members.map(|(name, object)| (name.as_bytes().to_vec(), object)).into()
}

fn some_attributes(writer: &mut Output) -> Vec<AttributeOut> {
    let (texts, _) = texts(writer, &["mag", "Vega"]);
    let attribute = |name: &str, datatype, space, value| AttributeOut {
        name: name.into(),
        datatype: Bytes::from_static(datatype),
        space,
        value,
    };
    vec![
        attribute("one", INT32, Dataspace::Scalar, numbers(1)),
        attribute("three", INT32, simple(&[3]), numbers(3)),
        attribute("none", INT32, Dataspace::Null, Vec::new()),
        attribute("texts", TEXT, simple(&[2]), texts),
    ]
}

/// Elements that point to texts, and their bytes.
fn texts(writer: &mut Output, texts: &[&str]) -> (Vec<u8>, u64) {
    let mut heap = HeapBuilder::default();
    let places: Vec<_> = texts.iter().map(|text| (!text.is_empty()).then(|| heap.add(text.as_bytes()))).collect();
    let heap = heap.write(writer).unwrap();
    let id = |(place, text): (&Option<_>, &&str)| {
        place.as_ref().map_or([0; 16], |place: &spolia_hdf5_format::write::HeapPlace| place.id(text.len() as u32, heap))
    };
    let elements: Vec<u8> = places.iter().zip(texts).flat_map(id).collect();
    let size = elements.len() as u64;
    (elements, size)
}

/// Chunks that were shuffled and deflated.
fn deflated(writer: &mut Output) -> Written {
    let mut encoder = Encoder::new(4, 6).unwrap();
    let content = numbers(600);
    let stored: Vec<StoredChunk> = (content.chunks(800).enumerate())
        .map(|(number, content)| {
            let (encoded, mask) = encoder.encode(content);
            chunk(writer, vec![200 * number as u64], &encoded, mask)
        })
        .collect();
    let index = writer.chunk_index(&[200], &stored).unwrap();
    let storage = StorageOut::Chunked { shape: vec![200], element_size: 4, index };
    let mut deflated = dataset(INT32, simple(&[600]), storage);
    deflated.filters = encoder.filters();
    writer.dataset(&deflated).unwrap()
}

/// A group whose B-tree has several nodes.
fn many_members() -> Good {
    file("many members", |writer| {
        let object = dataset(INT32, Dataspace::Scalar, StorageOut::Contiguous(None, 4));
        let object = writer.dataset(&object).unwrap();
        (0..400).map(|number| (format!("object_{number}").into_bytes(), object)).collect()
    })
}

/// A dataset whose index of chunks has several levels.
fn many_chunks() -> Good {
    file("many chunks", |writer| {
        let stored: Vec<StoredChunk> = (0..40)
            .flat_map(|row| (0..40).map(move |column| vec![2 * row, 2 * column]))
            .map(|offset| chunk(writer, offset, &numbers(4), 0))
            .collect();
        let index = writer.chunk_index(&[2, 2], &stored).unwrap();
        let storage = StorageOut::Chunked { shape: vec![2, 2], element_size: 4, index };
        vec![(b"chunked".to_vec(), writer.dataset(&dataset(INT32, simple(&[79, 80]), storage)).unwrap())]
    })
}

/// A file for each chunk that libhdf5 or a registered plugin wrote, of those that the tests on filters have.
fn every_filter() -> Vec<Good> {
    let cases = include_str!("filter/cases.txt");
    let lines = || cases.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let length = |of: &str| {
        let raw = lines().find(|fields| fields[0] == "raw" && fields[1] == of).unwrap();
        raw[2].len() / 2 * raw[3].parse::<usize>().unwrap()
    };
    let of_case = |fields: Vec<&str>| match fields[..] {
        ["case", name, of, mask, filters, stored] => {
            Some(filtered(name, length(of) as u64, mask.parse().unwrap(), pipeline(filters), &unhexed(stored)))
        }
        _ => None,
    };
    lines().filter_map(of_case).collect()
}

fn filtered(name: &str, length: u64, mask: u32, filters: Vec<Filter>, stored: &[u8]) -> Good {
    file(name, |writer| {
        let stored = chunk(writer, vec![0], stored, mask);
        let index = writer.chunk_index(&[length], &[stored]).unwrap();
        let storage = StorageOut::Chunked { shape: vec![length], element_size: 1, index };
        let mut filtered = dataset(UINT8, simple(&[length]), storage);
        filtered.filters = filters;
        vec![(b"filtered".to_vec(), writer.dataset(&filtered).unwrap())]
    })
}

fn unhexed(hexadecimal: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(byte).collect()
}

/// Filters as `cases.txt` has them: `ID:VALUE,VALUE;ID:…`.
fn pipeline(text: &str) -> Vec<Filter> {
    let filter = |text: &str| {
        let (id, values) = text.split_once(':').unwrap();
        let values = values.split(',').filter(|value| !value.is_empty());
        let client_data = values.map(|value| value.parse().unwrap()).collect();
        Filter { id: id.parse().unwrap(), flags: 0, name: None, client_data }
    };
    text.split(';').map(filter).collect()
}

/// The small files of the corpus, by name; none where it is not there.
fn corpus() -> Vec<Good> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SPOLIA_DATA").map_or_else(beside, PathBuf::from).join("hdf5/corpus");
    let mut paths = files_below(&folder);
    paths.retain(|path| path.metadata().is_ok_and(|file| file.len() < SMALL));
    paths.sort();
    let good = |path: PathBuf| {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        Good { name, bytes: std::fs::read(path).unwrap().into() }
    };
    paths.into_iter().map(good).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A good file and what is left of it: some bits flipped, or its end cut off, or both.
fn damaged<'a>(own: &'a [Good], corpus: &'a [Good], seed: u64) -> (&'a str, Bytes) {
    let mut numbers = Numbers(seed);
    let files = if corpus.is_empty() || seed.is_multiple_of(2) { own } else { corpus };
    // The places of even and of odd seeds both go through all files.
    let good = &files[(seed / 2) as usize % files.len()];
    let mut bytes = good.bytes.to_vec();
    let kind = numbers.below(10);
    if kind < 8 {
        for _ in 0..=numbers.below(8) {
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
        }
    }
    if kind >= 7 {
        bytes.truncate(numbers.below(bytes.len()));
    }
    (&good.name, bytes.into())
}

/// Reads, decodes and copies all that can be reached; returns how many objects were read and how many of them copied.
fn use_all_of(bytes: Bytes) -> [u64; 2] {
    let bounds = Bounds { piece: 1 << 20, metadata: 16 << 20, chunks: 1 << 12, members: 1 << 12, depth: 16 };
    let Ok(reader) = Reader::open(bytes, bounds) else { return [0, 0] };
    [read_all(&reader), copy_all(&reader)]
}

fn read_all(reader: &Reader) -> u64 {
    let mut waiting = vec![reader.superblock().root];
    let (mut seen, mut read) = (HashSet::new(), 0);
    while let Some(address) = waiting.pop().filter(|_| seen.len() < 256) {
        if !seen.insert(address) {
            continue;
        }
        let Ok(header) = ObjectHeader::read(reader, address) else { continue };
        let attributes = attributes(reader, &header);
        read += u64::from(attributes.is_ok());
        if is_group(&header) {
            for link in links(reader, &header).unwrap_or_default() {
                let found = find(reader, &header, &link.name);
                if let (Target::Object(address), Ok(_)) = (link.target, found) {
                    waiting.push(address);
                }
            }
        } else if let Ok(dataset) = Dataset::read(reader, &header) {
            read_elements(reader, &dataset);
        }
    }
    read
}

fn read_elements(reader: &Reader, dataset: &Dataset) {
    if let Layout::Chunked(layout) = &dataset.layout {
        let _ = chunks(reader, layout, &dataset.space, !dataset.filters.is_empty());
    }
    let whole = elements(reader, dataset, DECODED);
    let Ok(mut rows) = RowReader::new(reader, dataset) else { return };
    let Some(last) = rows.rows().checked_sub(1) else { return };
    let mut row = Vec::new();
    // What is read as a whole and what is read as rows are the same elements.
    if let (Ok(whole), Ok(())) = (whole, rows.read(&[last], &mut row)) {
        assert!(whole.ends_with(&row), "the last row is another one than that of all elements");
    }
}

/// Copies each object of the root by itself, so that one that is refused leaves the others; the copy is a whole file.
fn copy_all(reader: &Reader) -> u64 {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let mut copied = std::collections::BTreeMap::new();
    let root = ObjectHeader::read(reader, reader.superblock().root);
    for link in root.and_then(|root| links(reader, &root)).unwrap_or_default() {
        let Target::Object(address) = link.target else { continue };
        if let Ok(object) = Copier::new(reader).copy(address, "it", &mut writer) {
            copied.insert(link.name.to_vec(), object);
        }
        let _ = Copier::measuring(reader).copy(address, "it", &mut Writer::at(std::io::sink(), 0));
        let _ = Copier::blank(reader).copy(address, "it", &mut Writer::at(std::io::sink(), 0));
    }
    let count = copied.len();
    let Ok(root) = writer.group(copied.into_iter().collect(), &[]) else { return 0 };
    let copy = Reader::open(finished(writer, root), Bounds::default()).expect("a copy is a whole file");
    let root = ObjectHeader::read(&copy, copy.superblock().root).expect("a copy is a whole file");
    assert_eq!(links(&copy, &root).expect("a copy is a whole file").len(), count);
    count as u64
}

/// What one damaged file came to.
struct Outcome {
    objects: [u64; 2],
    took: Duration,
}

/// Runs a case in a thread with the case's name, which is what a stack overflow is told by.
fn run_case(name: &str, bytes: Bytes) -> Result<Outcome, String> {
    let (done, ended) = channel();
    let started = Instant::now();
    let case = move || {
        // Nobody waits any more when the time is over.
        let _ = done.send(use_all_of(bytes));
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(case).unwrap();
    match ended.recv_timeout(MOST_TIME) {
        Ok(objects) => {
            thread.join().unwrap();
            Ok(Outcome { objects, took: started.elapsed() })
        }
        Err(RecvTimeoutError::Disconnected) => Err(format!("{name}: it panicked")),
        Err(RecvTimeoutError::Timeout) => Err(format!("{name}: no end after {MOST_TIME:?}")),
    }
}

/// Keeps a file that a fault was found with, for whoever mends it.
fn kept(seed: u64, bytes: &[u8], fault: String) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("damaged_{seed}.h5"));
    std::fs::write(&path, bytes).unwrap();
    format!("{fault}; it is kept as {}", path.display())
}

/// What all of them came to.
#[derive(Default)]
struct Summary {
    objects: [u64; 2],
    slowest: (Duration, String),
    faults: Vec<String>,
}

impl Summary {
    fn add(&mut self, name: String, outcome: Result<Outcome, String>) {
        match outcome {
            Ok(Outcome { objects: [read, copied], took }) => {
                self.objects = [self.objects[0] + read, self.objects[1] + copied];
                if took > self.slowest.0 {
                    self.slowest = (took, name);
                }
            }
            Err(fault) => self.faults.push(fault),
        }
    }
}

#[test]
fn the_good_files_are_read_and_copied_whole() {
    let own: Vec<Good> = [every_storage(), many_members(), many_chunks()].into_iter().chain(every_filter()).collect();
    for good in &own {
        let reader = Reader::open(good.bytes.clone(), Bounds::default()).unwrap();
        let root = ObjectHeader::read(&reader, reader.superblock().root).unwrap();
        let members = links(&reader, &root).unwrap();
        for link in &members {
            let Target::Object(address) = link.target else { panic!("{link:?}") };
            let header = ObjectHeader::read(&reader, address).unwrap();
            if !is_group(&header) {
                elements(&reader, &Dataset::read(&reader, &header).unwrap(), DECODED).unwrap();
            }
        }
        assert_eq!(copy_all(&reader), members.len() as u64, "{}", good.name);
    }
}

/// A file whose only dataset says that it has `shape`, and has 24 bytes.
fn boastful(shape: &[u64]) -> Good {
    file("boastful", |writer| {
        let place = writer.put(&numbers(6)).unwrap();
        let size = shape.iter().product::<u64>() * 4;
        let contiguous = dataset(INT32, simple(shape), StorageOut::Contiguous(Some(place), size));
        vec![(b"contiguous".to_vec(), writer.dataset(&contiguous).unwrap())]
    })
}

/// What measuring a file's objects says.
fn measured(good: &Good) -> Result<(), String> {
    let reader = Reader::open(good.bytes.clone(), Bounds::default()).unwrap();
    let mut writer = Writer::at(std::io::sink(), 0);
    let root = reader.superblock().root;
    Copier::measuring(&reader).copy(root, "it", &mut writer).map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_dataset_that_says_more_than_its_file_holds_is_refused_before_it_is_measured() {
    assert_eq!(measured(&boastful(&[2, 3])), Ok(()));
    let (done, ended) = channel();
    std::thread::spawn(move || done.send(measured(&boastful(&[2, 1 << 50]))));
    let said = ended.recv_timeout(MOST_TIME).expect("measuring 9 PB of nothing does not end");
    assert!(said.is_err());
}

#[test]
fn a_chunk_between_the_places_of_chunks_is_refused() {
    let good = file("crooked", |writer| {
        let stored = [0, 2, 5].map(|offset| chunk(writer, vec![offset], &numbers(2), 0));
        let index = writer.chunk_index(&[2], &stored).unwrap();
        let storage = StorageOut::Chunked { shape: vec![2], element_size: 4, index };
        vec![(b"chunked".to_vec(), writer.dataset(&dataset(INT32, simple(&[8]), storage)).unwrap())]
    });
    let reader = Reader::open(good.bytes, Bounds::default()).unwrap();
    let root = ObjectHeader::read(&reader, reader.superblock().root).unwrap();
    let Target::Object(address) = links(&reader, &root).unwrap()[0].target else { panic!("it is an object") };
    let dataset = Dataset::read(&reader, &ObjectHeader::read(&reader, address).unwrap()).unwrap();
    let said = elements(&reader, &dataset, DECODED);
    assert!(said.is_err(), "elements are put where no chunk is, and rows of them are read from elsewhere: {said:?}");
}

#[test]
fn ten_thousand_damaged_files_end_in_an_answer_or_an_error() {
    let own: Vec<Good> = [every_storage(), many_members(), many_chunks()].into_iter().chain(every_filter()).collect();
    let corpus = corpus();
    if corpus.is_empty() {
        println!("skipped: no real data (SPOLIA_DATA), so that only files of our own are damaged");
    }
    let (own, corpus, summary) = (Arc::new(own), Arc::new(corpus), Mutex::new(Summary::default()));
    std::thread::scope(|scope| {
        for first in 0..2 {
            let (own, corpus, summary) = (&own, &corpus, &summary);
            scope.spawn(move || {
                for seed in (first..CASES).step_by(2) {
                    let (file, bytes) = damaged(own, corpus, seed);
                    let name = format!("seed {seed} of {file}");
                    let outcome = run_case(&name, bytes.clone()).map_err(|fault| kept(seed, &bytes, fault));
                    summary.lock().unwrap().add(name, outcome);
                }
            });
        }
    });
    let Summary { objects: [read, copied], slowest: (took, slowest), faults } = summary.into_inner().unwrap();
    println!("{CASES} damaged files: {read} objects read, {copied} copied; the slowest took {took:?}: {slowest}");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // Damage that left nothing to look at would show nothing.
    assert!(read > CASES && copied > CASES, "{read} objects read, {copied} copied");
}
