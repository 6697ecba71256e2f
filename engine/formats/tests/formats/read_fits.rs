//! FITS tables that come in: what their columns and values become, and what is refused.

use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use spolia_formats::{Format, ReadBounds, Status, read_fits};

use crate::sample;
use crate::table::{columns, fixed, metadata};

const BOUNDS: ReadBounds = ReadBounds { rows: 1000, document_bytes: 16 << 20, memory_bytes: 16 << 20 };
const BLOCK: usize = 2880;

fn header(cards: &[String]) -> Vec<u8> {
    let mut out: Vec<u8> =
        cards.iter().map(String::as_str).chain(["END"]).flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    out.resize(out.len().next_multiple_of(BLOCK), b' ');
    out
}

fn card(keyword: &str, value: impl ToString) -> String {
    format!("{keyword:<8}= {:>20}", value.to_string())
}

fn primary() -> Vec<u8> {
    header(&[card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 0)])
}

/// A file of one table, whose columns have these cards (`#` stands for their number).
fn file(width: usize, rows: usize, columns: &[&[&str]], data: &[u8]) -> Vec<u8> {
    let mut cards = vec!["XTENSION= 'BINTABLE'".to_owned(), card("BITPIX", 8), card("NAXIS", 2)];
    cards.extend([
        card("NAXIS1", width),
        card("NAXIS2", rows),
        card("PCOUNT", 0),
        card("GCOUNT", 1),
        card("TFIELDS", columns.len()),
    ]);
    for (at, column) in columns.iter().enumerate() {
        cards.extend(column.iter().map(|text| {
            let (keyword, value) = text.split_once('=').unwrap();
            format!("{:<8}= {value}", format!("{keyword}{}", at + 1))
        }));
    }
    let mut out = [primary(), header(&cards), data.to_vec()].concat();
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

#[track_caller]
fn check(column: &[&str], cells: &[&[u8]], data_type: &DataType, values: &[&str]) {
    let column = [&["TTYPE='c'"], column].concat();
    let file = file(cells[0].len(), cells.len(), &[&column], &cells.concat());
    let (schema, batches) = read_fits(file.as_slice(), &BOUNDS).unwrap();
    assert_eq!(schema.field(0).data_type(), data_type);
    assert_eq!(columns(schema, &batches)[0], values, "{column:?}");
}

#[track_caller]
fn check_refused(file: &[u8], words: &str) {
    let start = Instant::now();
    let error = read_fits(file, &BOUNDS).unwrap_err().to_string();
    assert!(error.contains(words), "{words:?} is missing in: {error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{words}: took {:?}", start.elapsed());
}

#[test]
fn columns_are_of_the_types_that_queries_know() {
    check(&["TFORM='1B'", "TNULL=7"], &[&[255], &[7]], &DataType::Int16, &["255", ""]);
    check(&["TFORM='I'", "TNULL=-32768"], &[&[0x80, 0], &[255, 255]], &DataType::Int16, &["", "-1"]);
    check(&["TFORM='1J'"], &[&[0x80, 0, 0, 0]], &DataType::Int32, &["-2147483648"]);
    check(
        &["TFORM='1K'"],
        &[&i64::MIN.to_be_bytes(), &i64::MAX.to_be_bytes()],
        &DataType::Int64,
        &["-9223372036854775808", "9223372036854775807"],
    );
    check(&["TFORM='1E'"], &[&0.1_f32.to_be_bytes(), &f32::NAN.to_be_bytes()], &DataType::Float32, &["0.1", ""]);
    check(&["TFORM='1D'"], &[&f64::NEG_INFINITY.to_be_bytes()], &DataType::Float64, &["-Infinity"]);
    check(&["TFORM='L'"], &[b"T", b"F", b"\0"], &DataType::Boolean, &["true", "false", ""]);
    check(&["TFORM='4A'"], &[b"ab  ", b" b\0x", b"\0\0\0\0"], &DataType::Utf8, &["ab", " b", ""]);
}

#[test]
fn offsets_stand_for_unsigned_integers_and_scales_make_doubles() {
    check(&["TFORM='1I'", "TZERO=32768"], &[&[0x7F, 0xFF], &[0x80, 0]], &DataType::Int32, &["65535", "0"]);
    check(&["TFORM='1J'", "TZERO=2147483648."], &[&[0x7F, 255, 255, 255]], &DataType::Int64, &["4294967295"]);
    check(&["TFORM='1B'", "TZERO=-128"], &[&[0], &[255]], &DataType::Int16, &["-128", "127"]);
    let unsigned = ["TFORM='1K'", "TZERO=9223372036854775808"];
    check(
        &unsigned,
        &[&i64::MIN.to_be_bytes(), &(-1_i64).to_be_bytes()],
        &DataType::Int64,
        &["0", "9223372036854775807"],
    );
    check_refused(&file(8, 1, &[&unsigned], &[0; 8]), "beyond the 64-bit signed range");
    check(&["TFORM='1I'", "TSCAL=0.5", "TZERO=1", "TNULL=0"], &[&[0, 3], &[0, 0]], &DataType::Float64, &["2.5", ""]);
}

#[test]
fn arrays_are_lists_of_their_size() {
    check(&["TFORM='2I'", "TNULL=9"], &[&[0, 1, 0, 9]], &fixed(DataType::Int16, 2), &["[1, null]"]);
    check(&["TFORM='2L'"], &[b"TF"], &fixed(DataType::Boolean, 2), &["[true, false]"]);
    let column: &[&str] =
        &["TTYPE='c'", "TFORM='4B'", "TDIM='(2,2)'", "TUNIT='mag '", "TUCD='phot.mag'", "TCOMM='it''s'"];
    let (schema, _) = read_fits(file(4, 1, &[column], &[1; 4]).as_slice(), &BOUNDS).unwrap();
    let expect = [("arraysize", "2x2"), ("description", "it's"), ("ucd", "phot.mag"), ("unit", "mag")];
    assert_eq!(metadata(schema.field(0)), expect);
}

#[test]
fn what_is_written_is_read_back() {
    let written = columns(sample::schema(), &sample::batches());
    let (schema, batches) = read_fits(sample::encode_without_heap().as_slice(), &BOUNDS).unwrap();
    let read = columns(schema.clone(), &batches);
    let sent = sample::schema();
    for (at, field) in schema.fields().iter().enumerate() {
        let name = field.name().as_str();
        let original = if name == "nothing" { &written[19] } else { &written[at] };
        let fold = |text: &String| match (name, text.as_str()) {
            // FITS tells no NaN from null, nor more than printable ASCII.
            ("alpha", "NaN") => String::new(),
            ("ac_win_coord", "") => "[null, null, null]".to_owned(),
            ("pair", "") => "[NaN, NaN]".to_owned(),
            ("pair", pair) => pair.replace("null", "NaN"),
            // Tab-separated, line breaks are spaces.
            ("name", text) if text.starts_with("bell") => "bell?, \"q\"??line?tab".to_owned(),
            ("name", text) => text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect(),
            (_, text) => text.to_owned(),
        };
        assert_eq!(read[at], original.iter().map(fold).collect::<Vec<_>>(), "{name}");
        if at < 3 {
            let unit = |field: &arrow::datatypes::Field| field.metadata().get("unit").cloned();
            assert_eq!(unit(field), unit(sent.field(at)));
        }
    }
    let described = schema.field(0).metadata()["description"].clone();
    assert_eq!(described, sent.field(0).metadata()["description"].replace('λ', "?"));
}

#[test]
fn an_image_before_the_table_is_passed_over() {
    let image = [
        header(&[card("SIMPLE", "T"), card("BITPIX", -64), card("NAXIS", 2), card("NAXIS1", 20), card("NAXIS2", 30)]),
        vec![1; 2 * BLOCK],
    ];
    let table = file(1, 1, &[&["TFORM='1B'"]], &[5]).split_off(BLOCK);
    let (schema, batches) = read_fits([image.concat(), table].concat().as_slice(), &BOUNDS).unwrap();
    assert_eq!(schema.field(0).name(), "col1");
    assert_eq!(columns(schema, &batches)[0], ["5"]);
}

#[test]
fn what_is_no_table_or_means_harm_is_refused() {
    let one = |column: &[&str], width, rows| file(width, rows, &[column], &[0; 16]);
    check_refused(b"", "no FITS");
    check_refused(b"SIMPLE", "the first header");
    check_refused(&[b' '; 2 * BLOCK], "the first header");
    check_refused(&vec![b' '; 2000 * BLOCK], "without an END");
    check_refused(&[0xFF; BLOCK], "printable ASCII");
    check_refused(&header(&[card("BITPIX", 8)]), "SIMPLE");
    check_refused(&primary(), "no binary table");
    check_refused(&[primary(), header(&[card("XTENSION", "'IMAGE'"), card("NAXIS", 0)])].concat(), "no binary table");
    let long = header(&[card("SIMPLE", "T"), card("BITPIX", 64), card("NAXIS", 1), card("NAXIS1", u64::MAX)]);
    check_refused(&long, "behind more bytes");
    check_refused(&one(&["TFORM='1J'"], 5, 1), "NAXIS1 says that rows have 5 bytes");
    check_refused(&one(&["TFORM='1J'"], 4, 1001), "more than 1000 rows");
    check_refused(&one(&["TFORM='1J'"], 4, 999), "row 721 of 999");
    check_refused(&one(&["TFORM='999999999999999999999999J'"], 4, 1), "more than 1048576 elements");
    check_refused(&file(16 << 20, 1, &[&["TFORM='1048576K'"], &["TFORM='1048576K'"]], &[]), "ends in row 1");
    let wide: &[&str] = &["TFORM='1048576K'"];
    check_refused(&file(24 << 20, 1, &[wide; 3], &[]), "at most 16777216 are read");
    let twice: &[&str] = &["TTYPE='x'", "TFORM='1B'"];
    check_refused(&file(2, 1, &[twice; 2], &[]), "same name");
    check_refused(&one(&["TFORM='1PJ(9)'"], 8, 1), "arrays of any length");
    check_refused(&one(&["TFORM='1M'"], 16, 1), "complex numbers");
    check_refused(&one(&["TFORM='8X'"], 1, 1), "bits have no type");
    check_refused(&one(&["TFORM='12A4'"], 12, 1), "arrays of texts");
    check_refused(&one(&["TFORM='1Z'"], 1, 1), "none of FITS's");
    check_refused(&one(&["TTYPE='x'"], 1, 1), "no TFORM");
    check_refused(&file(1, 1, &[&["TFORM='1L'"]], b"X"), "row 1, column \"col1\": the byte 0x58");
    check_refused(&file(1, 1, &[&["TFORM='1A'"]], b"\xFF"), "neither ASCII nor UTF-8");
    check_refused(&file(0, 1, &[], b""), "TFIELDS says 0");
    let heap = sample::encode(Format::Fits, &Status::Ok);
    check_refused(&heap, "column 17 (\"ids\"): arrays of any length");
    check_refused(&sample::encode_without_heap()[..3 * BLOCK + 100], "ends in row 1 of 5");
}
