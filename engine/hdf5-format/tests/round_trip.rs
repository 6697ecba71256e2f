//! What is written is read back as it was, and damaged bytes end in an error.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use bytes::Bytes;
use spolia_hdf5_format::attribute::attributes;
use spolia_hdf5_format::chunk_index::chunks;
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::layout::Layout;
use spolia_hdf5_format::link::{Target, find, is_group, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::write::{AttributeOut, DatasetOut, HeapBuilder, StorageOut, StoredChunk, Writer, Written};
use spolia_hdf5_format::{Bounds, HeapId, Reader};

type Output = Writer<Vec<u8>>;

/// Little-endian 32-bit integers.
const INT32: &[u8] = &[0x10, 0x08, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0];
/// Variable-length strings of bytes: class 9, a string; its base, a string of one byte.
const VARIABLE_STRING: &[u8] = &[0x19, 0x01, 0, 0, 16, 0, 0, 0, 0x13, 0, 0, 0, 1, 0, 0, 0];

fn simple(shape: &[u64]) -> Dataspace {
    Dataspace::Simple { shape: shape.to_vec(), max_shape: shape.iter().map(|size| Some(*size)).collect() }
}

fn dataset(datatype: &'static [u8], space: Dataspace, storage: StorageOut) -> DatasetOut {
    DatasetOut {
        datatype: Bytes::from_static(datatype),
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

/// A file with the members that `make` writes.
fn file(make: impl FnOnce(&mut Output) -> Vec<(Vec<u8>, Written)>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let members = make(&mut writer);
    let root = writer.group(members, &[]).unwrap();
    let (mut bytes, superblock) = writer.finish(root).unwrap();
    bytes[..superblock.len()].copy_from_slice(&superblock);
    bytes
}

fn open(bytes: Vec<u8>) -> Reader {
    Reader::open(Bytes::from(bytes), Bounds::default()).unwrap()
}

fn root(reader: &Reader) -> ObjectHeader {
    ObjectHeader::read(reader, reader.superblock().root).unwrap()
}

fn member(reader: &Reader, group: &ObjectHeader, name: &str) -> ObjectHeader {
    match find(reader, group, name.as_bytes()).unwrap().unwrap().target {
        Target::Object(address) => ObjectHeader::read(reader, address).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn content(reader: &Reader, header: &ObjectHeader) -> Vec<u8> {
    elements(reader, &Dataset::read(reader, header).unwrap(), 1 << 30).unwrap()
}

/// A small file with everything in it.
fn sample() -> Vec<u8> {
    file(|writer| {
        let data = writer.put(&numbers(6)).unwrap();
        let contiguous = StorageOut::Contiguous(Some(data), 24);
        let mut attributed = dataset(INT32, simple(&[2, 3]), contiguous);
        let attribute = |name: &[u8], space, value| AttributeOut {
            name: name.to_vec(),
            datatype: Bytes::from_static(INT32),
            space,
            value,
        };
        attributed.attributes = vec![
            attribute(b"one", Dataspace::Scalar, numbers(1)),
            attribute(b"three", simple(&[3]), numbers(3)),
            attribute(b"none", Dataspace::Null, Vec::new()),
        ];
        let contiguous = writer.dataset(&attributed).unwrap();
        let compact = StorageOut::Compact(numbers(2).into());
        let compact = writer.dataset(&dataset(INT32, simple(&[2]), compact)).unwrap();
        let empty = StorageOut::Contiguous(None, 12);
        let mut empty = dataset(INT32, simple(&[3]), empty);
        empty.fill_value = Some(Bytes::from_static(&[7, 0, 0, 0]));
        let empty = writer.dataset(&empty).unwrap();
        let chunked = chunked(writer, 5, 4);
        let strings = strings(writer, &["α Ceti", "", "a longer name"]);
        let inner = writer.group(vec![(b"compact".to_vec(), compact)], &attributed.attributes).unwrap();
        [("contiguous", contiguous), ("empty", empty), ("chunked", chunked), ("strings", strings), ("inner", inner)]
            .map(|(name, object)| (name.as_bytes().to_vec(), object))
            .into()
    })
}

/// A square of `side` times `side` numbers in chunks of 2 times `width`.
fn chunked(writer: &mut Output, side: u64, width: u64) -> Written {
    let mut stored = Vec::new();
    for row in (0..side).step_by(2) {
        for column in (0..side).step_by(width as usize) {
            let element = |at: u64| (row + at / width) * side + column + at % width;
            let bytes: Vec<u8> = (0..2 * width).flat_map(|at| (element(at) as i32).to_le_bytes()).collect();
            let address = writer.put(&bytes).unwrap();
            stored.push(StoredChunk { offset: vec![row, column], address, size: bytes.len() as u32, filter_mask: 0 });
        }
    }
    let index = writer.chunk_index(&[2, width], &stored).unwrap();
    let storage = StorageOut::Chunked { shape: vec![2, width], element_size: 4, index };
    writer.dataset(&dataset(INT32, simple(&[side, side]), storage)).unwrap()
}

fn strings(writer: &mut Output, texts: &[&str]) -> Written {
    let mut heap = HeapBuilder::default();
    let places: Vec<_> = texts.iter().map(|text| (!text.is_empty()).then(|| heap.add(text.as_bytes()))).collect();
    let heap = heap.write(writer).unwrap();
    let mut elements = Vec::new();
    for (place, text) in places.iter().zip(texts) {
        elements.extend(place.map_or([0; 16], |place| place.id(text.len() as u32, heap)));
    }
    let size = elements.len() as u64;
    let address = writer.put(&elements).unwrap();
    let storage = StorageOut::Contiguous(Some(address), size);
    writer.dataset(&dataset(VARIABLE_STRING, simple(&[texts.len() as u64]), storage)).unwrap()
}

fn check_sample(reader: &Reader) {
    let root = root(reader);
    let names: Vec<_> = links(reader, &root).unwrap().into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["chunked", "contiguous", "empty", "inner", "strings"]);
    let contiguous = member(reader, &root, "contiguous");
    assert_eq!(content(reader, &contiguous), numbers(6));
    let found = attributes(reader, &contiguous).unwrap();
    let values: Vec<_> = found.iter().map(|attribute| (attribute.name.as_str(), attribute.value.len())).collect();
    assert_eq!(values, [("one", 4), ("three", 12), ("none", 0)]);
    assert_eq!(content(reader, &member(reader, &root, "empty")), [7, 0, 0, 0].repeat(3));
    assert_eq!(content(reader, &member(reader, &root, "chunked")), numbers(25));
    let inner = member(reader, &root, "inner");
    assert!(is_group(&inner) && attributes(reader, &inner).unwrap().len() == 3);
    assert_eq!(content(reader, &member(reader, &inner, "compact")), numbers(2));
    let ids = content(reader, &member(reader, &root, "strings"));
    let text = |id: &[u8]| HeapId::from_element(reader, id).unwrap().data(reader, 1).unwrap();
    assert_eq!(ids.chunks(16).map(text).collect::<Vec<_>>(), ["α Ceti", "", "a longer name"]);
}

#[test]
fn what_is_written_is_read_back() {
    check_sample(&open(sample()));
}

#[test]
fn copies_hold_the_same() {
    let source = open(sample());
    let copied = file(|writer| {
        let mut copier = Copier::new(&source);
        let copy = |link: spolia_hdf5_format::link::Link| match link.target {
            Target::Object(address) => (link.name.to_vec(), copier.copy(address, "it", writer).unwrap()),
            other => panic!("{other:?}"),
        };
        links(&source, &root(&source)).unwrap().into_iter().map(copy).collect()
    });
    check_sample(&open(copied));
}

#[test]
fn large_groups_are_found_name_by_name() {
    for count in [0, 1, 8, 9, 256, 257, 20_000] {
        let reader = open(file(|writer| {
            let object = writer.dataset(&dataset(INT32, Dataspace::Scalar, StorageOut::Contiguous(None, 4))).unwrap();
            (0..count).map(|number| (format!("object_{number}").into_bytes(), object)).collect()
        }));
        let root = root(&reader);
        assert_eq!(links(&reader, &root).unwrap().len(), count);
        for number in (0..count).step_by(97) {
            let name = format!("object_{number}");
            assert_eq!(find(&reader, &root, name.as_bytes()).unwrap().unwrap().name, name);
        }
        for absent in ["", "a", "object_", "object_00", "z"] {
            assert_eq!(find(&reader, &root, absent.as_bytes()).unwrap(), None, "{absent} among {count}");
        }
    }
}

#[test]
fn many_chunks_have_an_index_of_several_levels() {
    let reader = open(file(|writer| vec![(b"chunked".to_vec(), chunked(writer, 300, 2))]));
    let header = member(&reader, &root(&reader), "chunked");
    let dataset = Dataset::read(&reader, &header).unwrap();
    let Layout::Chunked(layout) = &dataset.layout else { panic!("{:?}", dataset.layout) };
    assert_eq!(chunks(&reader, layout, &dataset.space, false).unwrap().len(), 150 * 150);
    assert_eq!(content(&reader, &header), numbers(90_000));
}

#[test]
fn what_a_file_cannot_hold_is_refused() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let object = dataset(INT32, simple(&[20_000]), StorageOut::Compact(numbers(20_000).into()));
    assert!(writer.dataset(&object).unwrap_err().to_string().contains("a compact dataset has 80004 bytes"));
    let scalar = writer.dataset(&dataset(INT32, Dataspace::Scalar, StorageOut::Contiguous(None, 4))).unwrap();
    let twice = vec![(b"a".to_vec(), scalar), (b"a".to_vec(), scalar)];
    assert!(writer.group(twice, &[]).unwrap_err().to_string().contains("the name a"));
}

/// Reads everything that can be reached.
fn read_all(reader: &Reader, header: &ObjectHeader, depth: u32) -> spolia_hdf5_format::Result<()> {
    attributes(reader, header)?;
    if is_group(header) && depth > 0 {
        for link in links(reader, header)? {
            if let Target::Object(address) = link.target {
                // One damaged member leaves the others.
                let _ = ObjectHeader::read(reader, address).and_then(|member| read_all(reader, &member, depth - 1));
            }
        }
        return Ok(());
    }
    elements(reader, &Dataset::read(reader, header)?, 1 << 22).map(drop)
}

#[test]
fn damaged_files_end_in_errors() {
    let good = sample();
    // A generator of our own: the same damage in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=draw(4) {
            let at = draw(bytes.len());
            bytes[at] ^= 1 << draw(8);
        }
        if round % 5 == 0 {
            bytes.truncate(draw(bytes.len()));
        }
        let bounds = Bounds { metadata: 16 << 20, chunks: 10_000, members: 10_000, ..Bounds::default() };
        let Ok(reader) = Reader::open(Bytes::from(bytes), bounds) else { continue };
        let root = ObjectHeader::read(&reader, reader.superblock().root);
        let _ = root.and_then(|root| read_all(&reader, &root, 5));
    }
}

/// Why the root cannot be copied, and why it cannot be measured.
fn refusals(bytes: Vec<u8>) -> (String, String) {
    let reader = open(bytes);
    let root = reader.superblock().root;
    let copied = Copier::new(&reader).copy(root, "x", &mut Writer::at(std::io::sink(), 0)).unwrap_err();
    let measured = Copier::measuring(&reader).copy(root, "x", &mut Writer::at(std::io::sink(), 0)).unwrap_err();
    (copied.to_string(), measured.to_string())
}

/// Found by fuzzing: a terabyte was counted piece by piece.
#[test]
fn more_than_the_file_holds_is_refused_before_anything_is_counted() {
    let bytes = file(|writer| {
        let at = writer.put(&numbers(10)).unwrap();
        let huge = dataset(INT32, simple(&[1 << 38]), StorageOut::Contiguous(Some(at), 1 << 40));
        vec![(b"huge".to_vec(), writer.dataset(&huge).unwrap())]
    });
    let (copied, measured) = refusals(bytes);
    assert_eq!(copied, measured);
    assert!(copied.contains("x/huge"), "{copied}");
}

#[test]
fn elements_that_are_in_a_file_again_and_again_are_refused() {
    let bytes = file(|writer| {
        let at = writer.put(&numbers(10_000)).unwrap();
        let same = dataset(INT32, simple(&[10_000]), StorageOut::Contiguous(Some(at), 40_000));
        (0..200).map(|number| (format!("d{number:03}").into_bytes(), writer.dataset(&same).unwrap())).collect()
    });
    let (copied, measured) = refusals(bytes);
    assert_eq!(copied, measured);
    assert!(copied.contains("many times the bytes of the file"), "{copied}");
}

#[test]
fn a_copy_is_as_long_as_it_is_measured() {
    let bytes = file(|writer| {
        let at = writer.put(&numbers(1000)).unwrap();
        let plain = dataset(INT32, simple(&[1000]), StorageOut::Contiguous(Some(at), 4000));
        let mut heap = HeapBuilder::default();
        let places: Vec<_> =
            ["a", "some text", ""].iter().map(|text| (text.len(), heap.add(text.as_bytes()))).collect();
        let heap = heap.write(writer).unwrap();
        let ids: Vec<u8> = places.into_iter().flat_map(|(length, place)| place.id(length as u32, heap)).collect();
        let texts = dataset(VARIABLE_STRING, simple(&[3]), StorageOut::Compact(Bytes::from(ids)));
        vec![(b"plain".to_vec(), writer.dataset(&plain).unwrap()), (b"texts".to_vec(), writer.dataset(&texts).unwrap())]
    });
    let reader = open(bytes);
    let (mut measuring, mut copying) = (Writer::at(std::io::sink(), 800), Writer::at(Vec::new(), 800));
    let measured = Copier::measuring(&reader).copy(reader.superblock().root, "", &mut measuring).unwrap();
    let copied = Copier::new(&reader).copy(reader.superblock().root, "", &mut copying).unwrap();
    assert_eq!((measured, measuring.position()), (copied, copying.position()));
}
