//! VOTables that come in: what their columns and values become.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use spolia_formats::{Format, ReadBounds, Status, VotableError, read_votable};

use crate::sample::{self, GAIA_ID};
use crate::table::{columns, fixed, list, metadata};

/// A document with one table.
pub fn document(fields: &str, data: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n<RESOURCE>\n<TABLE>\n{fields}\n<DATA>{data}</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>"
    )
}

/// One column of TABLEDATA.
fn one(field: &str, cells: &[&str]) -> String {
    let rows: String = cells.iter().map(|cell| format!("<TR><TD>{cell}</TD></TR>")).collect();
    document(&format!("<FIELD name=\"c\" {field}/>"), &format!("<TABLEDATA>{rows}</TABLEDATA>"))
}

fn read(document: &[u8]) -> Result<RecordBatch, VotableError> {
    let (schema, batches) = read_votable(document, &ReadBounds::default())?;
    Ok(concat_batches(&schema, &batches).unwrap())
}

#[track_caller]
fn check(document: &str, data_type: &DataType, values: &[&str]) {
    let batch = read(document.as_bytes()).unwrap();
    assert_eq!(batch.column(0).data_type(), data_type);
    assert_eq!(columns(batch.schema(), &[batch])[0], values, "{document}");
}

#[track_caller]
fn check_refused(document: &str, words: &[&str]) {
    let error = read(document.as_bytes()).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn numbers_are_of_the_types_that_queries_know() {
    check(&one("datatype=\"unsignedByte\"", &["0", "255", ""]), &DataType::Int16, &["0", "255", ""]);
    check(&one("datatype=\"short\"", &["-32768", " 7 "]), &DataType::Int16, &["-32768", "7"]);
    check(&one("datatype=\"int\"", &["+5", "0x1F"]), &DataType::Int32, &["5", "31"]);
    let extremes = ["9223372036854775807", "-9223372036854775808", "3425114617586286848"];
    check(&one("datatype=\"long\"", &extremes), &DataType::Int64, &extremes);
    check(&one("datatype=\"long\" arraysize=\"1\"", &["1"]), &DataType::Int64, &["1"]);
    check(
        &one("datatype=\"double\"", &["1e-7", "NaN", "+Inf", "-Inf", "", "-0.0"]),
        &DataType::Float64,
        &["1e-7", "NaN", "Infinity", "-Infinity", "", "-0.0"],
    );
    check(&one("datatype=\"float\"", &["0.1"]), &DataType::Float32, &["0.1"]);
    let words = ["T", "f", "1", "0", "true", "False", "?", ""];
    let expect = ["true", "false", "true", "false", "true", "false", "", ""];
    check(&one("datatype=\"boolean\"", &words), &DataType::Boolean, &expect);
}

#[test]
fn a_bit_is_a_boolean() {
    check(&one("datatype=\"bit\"", &["1", "0", ""]), &DataType::Boolean, &["true", "false", ""]);
    let stream = format!("<BINARY><STREAM encoding=\"base64\">{}</STREAM></BINARY>", base64(&[0x80, 0x08, 0]));
    let bits = document("<FIELD name=\"c\" datatype=\"bit\"/>", &stream);
    check(&bits, &DataType::Boolean, &["true", "true", "false"]);
}

#[test]
fn texts_keep_every_character() {
    let cells = ["a &amp; b", "&#955; 🪐", "<![CDATA[<x>]]>", "a<!-- no -->b", " x ", "", "&lt;&quot;&apos;&gt;"];
    let expect = ["a & b", "λ 🪐", "<x>", "ab", " x ", "", "<\"'>"];
    check(&one("datatype=\"char\" arraysize=\"*\"", &cells), &DataType::Utf8, &expect);
    check(&one("datatype=\"unicodeChar\" arraysize=\"2\"", &["longer"]), &DataType::Utf8, &["longer"]);
    check(&one("datatype=\"char\"", &["x"]), &DataType::Utf8, &["x"]);
}

#[test]
fn times_are_microseconds_and_other_xtypes_stay() {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let cells = ["2017-05-05T15:27:27.522425", "2017-05-05", "", "1969-12-31T23:59:59.5Z"];
    let expect = ["2017-05-05T15:27:27.522425", "2017-05-05T00:00:00", "", "1969-12-31T23:59:59.5"];
    check(&one("datatype=\"char\" arraysize=\"*\" xtype=\"timestamp\"", &cells), &time, &expect);
    check(&one("datatype=\"char\" arraysize=\"19*\" xtype=\"adql:TIMESTAMP\"", &cells), &time, &expect);
    check_refused(
        &one("datatype=\"char\" arraysize=\"*\" xtype=\"timestamp\"", &["", "yesterday"]),
        &["row 2", "\"c\"", "yesterday", "YYYY-MM-DD"],
    );
    let shapes = one("datatype=\"double\" arraysize=\"*\" xtype=\"polygon\" unit=\"deg\"", &["1 2 3 4 5 6"]);
    check(&shapes, &list(DataType::Float64), &["[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]"]);
    let batch = read(one("datatype=\"double\" arraysize=\"2\" xtype=\"point\"", &["1 2"]).as_bytes()).unwrap();
    let schema = batch.schema();
    assert_eq!(schema.field(0).data_type(), &fixed(DataType::Float64, 2));
    assert_eq!(schema.field(0).metadata()["xtype"], "point");
    assert_eq!(schema.field(0).metadata()["arraysize"], "2");
}

#[test]
fn arrays_are_lists() {
    check(&one("datatype=\"int\" arraysize=\"*\"", &["1 2", "", "7"]), &list(DataType::Int32), &["[1, 2]", "", "[7]"]);
    check(&one("datatype=\"int\" arraysize=\"3*\"", &["1"]), &list(DataType::Int32), &["[1]"]);
    check(
        &one("datatype=\"short\" arraysize=\"2x2\"", &["1 2\n3 4", ""]),
        &fixed(DataType::Int16, 4),
        &["[1, 2, 3, 4]", ""],
    );
    check(
        &one("datatype=\"float\" arraysize=\"2x*\"", &["1 2 3 4"]),
        &list(DataType::Float32),
        &["[1.0, 2.0, 3.0, 4.0]"],
    );
    check(&one("datatype=\"boolean\" arraysize=\"2\"", &["T ?"]), &fixed(DataType::Boolean, 2), &["[true, null]"]);
    check_refused(&one("datatype=\"int\" arraysize=\"3\"", &["1 2"]), &["row 1", "\"c\"", "2 elements", "3"]);
    check_refused(&one("datatype=\"int\" arraysize=\"2x*\"", &["1 2 3"]), &["multiple of 2"]);
}

#[test]
fn values_null_is_a_null_in_cells_and_in_arrays() {
    let field = |datatype: &str, null: &str| {
        format!("<FIELD name=\"c\" {datatype}><VALUES null=\"{null}\"><MIN value=\"0\"/></VALUES></FIELD>")
    };
    let rows = |cells: &[&str]| {
        let rows: String = cells.iter().map(|cell| format!("<TR><TD>{cell}</TD></TR>")).collect();
        format!("<TABLEDATA>{rows}</TABLEDATA>")
    };
    let longs = document(&field("datatype=\"long\"", "-9223372036854775808"), &rows(&["-9223372036854775808", "5"]));
    check(&longs, &DataType::Int64, &["", "5"]);
    let lists = document(&field("datatype=\"int\" arraysize=\"*\"", "-1"), &rows(&["1 -1"]));
    check(&lists, &list(DataType::Int32), &["[1, null]"]);
    check(&document(&field("datatype=\"double\"", "-99.9"), &rows(&["-99.9", "1"])), &DataType::Float64, &["", "1.0"]);
    let texts = document(&field("datatype=\"char\" arraysize=\"*\"", "N/A"), &rows(&["N/A", "n"]));
    check(&texts, &DataType::Utf8, &["", "n"]);
    check_refused(&document(&field("datatype=\"int\"", "none"), &rows(&[])), &["VALUES null", "\"none\"", "column 1"]);
}

#[test]
fn what_a_field_says_is_kept() {
    let field = "<FIELD ID=\"ra_id\" datatype=\"double\" unit=\"deg\" ucd=\"pos.eq.ra;meta.main\" utype=\"a:b\" width=\"9\" precision=\"3\">\
        <DESCRIPTION> Right &amp; ascension </DESCRIPTION><LINK href=\"http://nowhere\"/></FIELD>";
    let batch = read(document(field, "<TABLEDATA/>").as_bytes()).unwrap();
    let schema = batch.schema();
    assert_eq!(schema.field(0).name(), "ra_id");
    let expect =
        [("description", "Right & ascension"), ("ucd", "pos.eq.ra;meta.main"), ("unit", "deg"), ("utype", "a:b")];
    assert_eq!(metadata(schema.field(0)), expect);
}

#[test]
fn the_first_table_of_any_version_and_prefix_is_read() {
    for (version, prefix) in [("1.1", ""), ("1.2", "v:"), ("1.3", "vot:"), ("1.5", "")] {
        let document = format!(
            "\u{FEFF}<?xml version='1.0' encoding='utf-8'?><!-- made by hand -->
            <{prefix}VOTABLE version='{version}'><{prefix}DESCRIPTION>d</{prefix}DESCRIPTION><{prefix}COOSYS ID='s'/>
            <{prefix}RESOURCE><{prefix}RESOURCE><{prefix}PARAM name='p' datatype='int' value='1'/>
            <{prefix}TABLE name='t' nrows='1'><{prefix}GROUP><{prefix}FIELDref ref='a'/></{prefix}GROUP>
            <{prefix}FIELD name='a' ID='a' datatype='int'/><{prefix}DATA><{prefix}TABLEDATA><{prefix}TR><{prefix}TD>5</{prefix}TD></{prefix}TR>
            </{prefix}TABLEDATA></{prefix}DATA></{prefix}TABLE><{prefix}TABLE><{prefix}FIELD name='b' datatype='bit'/></{prefix}TABLE>
            </{prefix}RESOURCE></{prefix}RESOURCE></{prefix}VOTABLE>"
        );
        check(&document, &DataType::Int32, &["5"]);
    }
}

#[test]
fn a_table_without_data_has_no_rows() {
    let text = document("<FIELD name=\"c\" datatype=\"int\"/>", "").replace("<DATA></DATA>", "");
    let (schema, batches) = read_votable(text.as_bytes(), &ReadBounds::default()).unwrap();
    assert!(batches.is_empty() && schema.field(0).data_type() == &DataType::Int32);
}

#[test]
fn bounds_are_kept() {
    let text = one("datatype=\"long\"", &["1"; 100]);
    let bounds = |rows, document_bytes, memory_bytes| ReadBounds { rows, document_bytes, memory_bytes };
    let refused = |bounds| read_votable(text.as_bytes(), &bounds).unwrap_err().to_string();
    assert!(read_votable(text.as_bytes(), &bounds(100, 1 << 20, 800)).is_ok());
    assert!(refused(bounds(99, 1 << 20, 800)).contains("more than 99 rows"));
    assert!(refused(bounds(100, 1 << 20, 799)).contains("the values take more than"));
    assert!(refused(bounds(100, 1000, 800)).contains("as many bytes were read as may be brought along"));
}

#[test]
fn many_rows_come_in_batches() {
    let rows: String = (0..20_000).map(|at| format!("<TR><TD>{at}</TD></TR>\n")).collect();
    let text = document("<FIELD name=\"c\" datatype=\"long\"/>", &format!("<TABLEDATA>{rows}</TABLEDATA>"));
    let (_, batches) = read_votable(text.as_bytes(), &ReadBounds::default()).unwrap();
    let sizes: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [8192, 8192, 3616]);
    let values = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values());
    assert!(values.copied().eq(0..20_000));
}

/// What a serialization makes of a value of the sample, both as tab-separated text.
fn folded(format: Format, name: &str, text: &str) -> String {
    let is_binary2 = format == Format::VotableBinary2;
    match (name, text) {
        ("day", "") => String::new(),
        ("day", date) => format!("{date}T00:00:00"),
        ("ac_win_coord", "") if !is_binary2 => "[null, null, null]".to_owned(),
        ("pair", "") if !is_binary2 => "[NaN, NaN]".to_owned(),
        ("pair", pair) => pair.replace("null", "NaN"),
        ("ids" | "bits" | "blob", "[]") if format == Format::VotableTabledata => String::new(),
        ("ids" | "bits" | "blob", "") if format == Format::VotableBinary => "[]".to_owned(),
        ("alpha", "NaN") if format == Format::VotableBinary => String::new(),
        ("name", text) if format == Format::VotableTabledata => text.replace('\u{7}', "\u{FFFD}"),
        (_, text) => text.to_owned(),
    }
}

#[test]
fn what_is_written_is_read_back() {
    for format in [Format::VotableTabledata, Format::VotableBinary, Format::VotableBinary2] {
        let written = columns(sample::schema(), &sample::batches_for(format));
        let document = sample::encode(format, &Status::Overflow { maxrec: 5 });
        let (schema, batches) = read_votable(document.as_slice(), &ReadBounds::default()).unwrap();
        let sent = sample::schema();
        for (at, field) in schema.fields().iter().enumerate() {
            let expect: Vec<String> = written[at].iter().map(|text| folded(format, field.name(), text)).collect();
            assert_eq!(columns(Arc::clone(&schema), &batches)[at], expect, "{format:?} {}", field.name());
            for key in ["unit", "ucd", "utype", "description"] {
                assert_eq!(field.metadata().get(key), sent.field(at).metadata().get(key), "{key} of {}", field.name());
            }
        }
        assert_eq!(schema.field(11).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
    }
}

#[test]
fn binary_is_read_without_flags_and_with_short_texts() {
    // A long, a double that is NaN, a text of three with a NUL after two, a text of any length in UTF-16.
    let fields = "<FIELD name=\"id\" datatype=\"long\"><VALUES null=\"-1\"/></FIELD><FIELD name=\"x\" datatype=\"double\"/>\
        <FIELD name=\"s\" datatype=\"char\" arraysize=\"3\"/><FIELD name=\"u\" datatype=\"unicodeChar\" arraysize=\"*\"/>";
    let row = |id: i64, x: f64, s: &[u8; 3], u: &str| {
        let units: Vec<u16> = u.encode_utf16().collect();
        let count = (units.len() as u32).to_be_bytes();
        let units: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        [&id.to_be_bytes()[..], &x.to_be_bytes(), s, &count, &units].concat()
    };
    let bytes = [row(GAIA_ID, f64::NAN, b"ab\0", "λ 🪐"), row(-1, f64::INFINITY, b"abc", "")].concat();
    let stream = format!("<BINARY><STREAM encoding=\"Base64\">\n{}\n</STREAM></BINARY>", base64(&bytes));
    let batch = read(document(fields, &stream).as_bytes()).unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(GAIA_ID), None]);
    let doubles = batch.column(1).as_primitive::<Float64Type>();
    assert_eq!(doubles.iter().collect::<Vec<_>>(), [None, Some(f64::INFINITY)]);
    assert_eq!(columns(batch.schema(), &[batch])[2..], [["ab", "abc"], ["λ 🪐", ""]]);
}

#[test]
fn base64_may_be_broken_into_lines_and_behind_comments() {
    let text = base64(&[0, 0, 0, 5, 255, 255, 255, 254]);
    let broken: String = text.chars().map(|c| format!("{c}\r\n <!-- -->")).collect();
    for stream in [text.clone(), broken, format!("<![CDATA[{text}]]>"), text.replacen('A', "&#65;", 1)] {
        let data = format!("<BINARY><STREAM encoding=\"base64\">{stream}</STREAM></BINARY>");
        check(&document("<FIELD name=\"c\" datatype=\"int\"/>", &data), &DataType::Int32, &["5", "-2"]);
    }
}

/// RFC 4648 section 4.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let word = chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        let digits = (0..4).map(|at| char::from(DIGITS[word >> (18 - 6 * at) & 63]));
        digits.take(chunk.len() + 1).chain("==".chars()).take(4).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
