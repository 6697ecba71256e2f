//! Exact bytes, and round trips through the Rust readers.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spolia_formats::{Encoder, Format, FormatError, ResultInfo, Status, error_votable};

use crate::sample::{self, GAIA_ID, encode_column};

#[track_caller]
fn check(format: Format, column: impl arrow::array::Array + 'static, expect: &str) {
    assert_eq!(encode_column(format, Arc::new(column)).unwrap(), expect);
}

fn texts() -> StringArray {
    StringArray::from(vec![
        Some("plain"),
        None,
        Some(""),
        Some("a,b"),
        Some("say \"hi\""),
        Some(" x"),
        Some("l1\r\nl2\t"),
    ])
}

#[test]
fn csv_is_rfc_4180_with_null_apart_from_empty() {
    check(
        Format::Csv,
        texts(),
        "c\r\nplain\r\n\r\n\"\"\r\n\"a,b\"\r\n\"say \"\"hi\"\"\"\r\n\" x\"\r\n\"l1\r\nl2\t\"\r\n",
    );
    check(Format::CsvHeaderless, Int64Array::from(vec![GAIA_ID]), "3425114617586286848\r\n");
    let numbers = Float64Array::from(vec![Some(f64::NAN), Some(f64::NEG_INFINITY), None, Some(1e-7)]);
    check(Format::Csv, numbers, "c\r\nNaN\r\n-Infinity\r\n\r\n1e-7\r\n");
    check(Format::Csv, arrays(), "c\r\n\"[6008, null]\"\r\n\r\n[]\r\n[1]\r\n");
}

fn arrays() -> ListArray {
    let rows = vec![Some(vec![Some(6008), None]), None, Some(vec![]), Some(vec![Some(1)])];
    ListArray::from_iter_primitive::<Int32Type, _, _>(rows)
}

#[test]
fn tsv_has_no_tab_or_line_break_in_a_field() {
    check(Format::Tsv, texts(), "c\nplain\n\n\na,b\nsay \"hi\"\n x\nl1  l2 \n");
    check(Format::Tsv, arrays(), "c\n[6008, null]\n\n[]\n[1]\n");
}

#[test]
fn json_never_holds_a_64_bit_number() {
    let wrapped = |datatype: &str, rows: &str| {
        format!(
            "{{\"info\":[],\n\"metadata\":[\n{{\"name\":\"c\",\"datatype\":{datatype}}}],\n\"data\":[{rows}],\n\"status\":\"OK\"}}\n"
        )
    };
    let ids = Int64Array::from(vec![Some(GAIA_ID), None]);
    check(Format::Json, ids, &wrapped("\"long\"", "\n[\"3425114617586286848\"],\n[null]"));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(GAIA_ID), None])]);
    check(Format::Json, lists, &wrapped("\"long\",\"arraysize\":\"*\"", "\n[[\"3425114617586286848\",null]]"));
    let numbers = Float64Array::from(vec![0.5, f64::NAN, f64::INFINITY]);
    check(Format::Json, numbers, &wrapped("\"double\"", "\n[0.5],\n[\"NaN\"],\n[\"Infinity\"]"));
}

#[test]
fn binary_declares_what_stands_for_null_and_refuses_it_as_a_value() {
    let ids = Int64Array::from(vec![Some(i64::MAX), None]);
    let document = encode_column(Format::VotableBinary, Arc::new(ids)).unwrap();
    assert!(document.contains("<VALUES null=\"-9223372036854775808\"/>"), "{document}");
    assert!(
        document.contains("<BINARY><STREAM encoding=\"base64\">\nf/////////+AAAAAAAAA\nAA==\n</STREAM></BINARY>"),
        "{document}"
    );
    let least: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN]));
    let refused = encode_column(Format::VotableBinary, Arc::clone(&least));
    assert!(matches!(refused, Err(FormatError::NullCollision { value: i64::MIN, .. })));
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, false)]));
    let mut encoder = Encoder::new(Format::VotableBinary, Arc::clone(&schema), ResultInfo::default()).unwrap();
    encoder.batch(&RecordBatch::try_new(schema, vec![least]).unwrap(), &mut Vec::new()).unwrap();
}

#[test]
fn ecsv_has_a_head_and_one_line_for_each_row() {
    let head = |column: &str| {
        format!(
            "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {{name: \"c\", {column}}}\n# schema: astropy-2.0\nc\n"
        )
    };
    let string = head("datatype: string");
    let rows = "plain\n\"\"\n\"\"\n\"a,b\"\n\"say \"\"hi\"\"\"\n\" x\"\n\"l1  l2\t\"\n";
    check(Format::Ecsv, texts(), &format!("{string}{rows}"));
    check(Format::Ecsv, StringArray::from(vec!["#1", "\u{2028}"]), &format!("{string}\"#1\"\n\" \"\n"));
    let numbers = Float64Array::from(vec![Some(f64::NAN), Some(f64::NEG_INFINITY), None, Some(1e-7)]);
    check(Format::Ecsv, numbers, &format!("{}nan\n-inf\n\"\"\n1e-7\n", head("datatype: float64")));
    let lists = head("datatype: string, subtype: 'int32[null]'");
    check(Format::Ecsv, arrays(), &format!("{lists}\"[6008, null]\"\n\"\"\n\"[]\"\n\"[1]\"\n"));
}

#[test]
fn ecsv_has_the_query_and_infos_in_its_head() {
    let head = |info: ResultInfo| {
        let mut out = Vec::new();
        Encoder::new(Format::Ecsv, sample::schema(), info).unwrap().start(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let told = head(sample::info());
    assert!(told.contains("# meta: {\"QUERY\": \"SELECT *\\u000AFROM gaia.completesource"), "{told}");
    assert!(!told.contains("QUERY_STATUS"), "{told}");
    let whole = String::from_utf8(sample::encode(Format::Ecsv, &Status::Overflow { maxrec: 5 })).unwrap();
    assert_eq!(whole.lines().filter(|line| !line.starts_with('#')).count(), 1 + 5);
}

/// A format's sample whose beginning was sent before its end was known, and with the beginning that tells it.
fn beginnings(format: Format, status: &Status) -> (Vec<u8>, Vec<u8>) {
    let info = ResultInfo { room_for_status: true, ..sample::info() };
    let (mut out, batches) = (Vec::new(), sample::batches_for(format));
    let mut encoder = Encoder::new(format, sample::schema(), info).unwrap();
    batches.iter().for_each(|batch| encoder.batch(batch, &mut out).unwrap());
    let beginning = encoder.beginning(status).unwrap();
    encoder.finish(status, &mut out).unwrap();
    let told = [&beginning, &out[beginning.len()..]].concat();
    (out, told)
}

#[test]
fn a_beginning_that_was_held_back_tells_how_the_result_ended() {
    for (status, word) in [(Status::Ok, "OK"), (Status::Overflow { maxrec: 5 }, "OVERFLOW")] {
        let (unknown, told) = beginnings(Format::Ecsv, &status);
        let meta = |ecsv: &[u8]| {
            let text = String::from_utf8(ecsv.to_vec()).unwrap();
            text.lines().find_map(|line| line.trim_end().strip_prefix("# meta: ").map(str::to_owned)).unwrap()
        };
        assert!(meta(&unknown).ends_with(", \"QUERY_STATUS\": \"\"}"), "{}", meta(&unknown));
        assert!(meta(&told).ends_with(&format!(", \"QUERY_STATUS\": \"{word}\"}}")), "{}", meta(&told));

        let (unknown, told) = beginnings(Format::Arrow, &status);
        let read = |stream: &[u8]| {
            let mut reader = arrow::ipc::reader::StreamReader::try_new(stream, None).unwrap();
            let rows: usize = reader.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
            (reader.schema().metadata()["QUERY_STATUS"].clone(), rows)
        };
        assert_eq!((read(&unknown), read(&told)), ((String::new(), 5), (word.to_owned(), 5)));
    }
}

#[test]
fn html_is_harmless_and_says_how_it_ended() {
    let metadata =
        |ucd: &str| [("ucd".to_owned(), ucd.to_owned()), ("description".to_owned(), "a \"<b>\"".to_owned())].into();
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("link", DataType::Utf8, true).with_metadata(metadata("meta.ref.url")),
        Field::new("<i>", DataType::Utf8, true).with_metadata(metadata("meta.id")),
        Field::new("n", DataType::Int64, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["HTTPS://a/?b=1&c=\"2\"", "javascript:alert(1)"])),
        Arc::new(StringArray::from(vec!["<script>alert(1)</script>", "http://a/"])),
        Arc::new(Int64Array::from(vec![Some(GAIA_ID), None])),
    ];
    let mut encoder = Encoder::new(Format::Html, Arc::clone(&schema), ResultInfo::default()).unwrap();
    let mut out = Vec::new();
    encoder.batch(&RecordBatch::try_new(schema, columns).unwrap(), &mut out).unwrap();
    encoder.finish(&Status::Error("node <n2>".to_owned()), &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    let body = page.split_once("<body>").unwrap().1;
    let expect = [
        "",
        "<table>",
        "<thead><tr><th scope=\"col\" title=\"a &quot;&lt;b&gt;&quot;&#10;UCD: meta.ref.url&#10;type: char[*]\">link</th>\
         <th scope=\"col\" title=\"a &quot;&lt;b&gt;&quot;&#10;UCD: meta.id&#10;type: char[*]\">&lt;i&gt;</th>\
         <th scope=\"col\" title=\"type: long\">n</th></tr></thead>",
        "<tbody>",
        "<tr><td><a rel=\"noopener noreferrer\" href=\"HTTPS://a/?b=1&amp;c=&quot;2&quot;\">HTTPS://a/?b=1&amp;c=&quot;2&quot;</a></td>\
         <td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td class=\"n\">3425114617586286848</td></tr>",
        "<tr><td>javascript:alert(1)</td><td>http://a/</td><td class=\"n\"></td></tr>",
        "</tbody>",
        "</table>",
        "<p id=\"status\" class=\"error\">2 rows, then the query failed: node &lt;n2&gt;</p>",
        "</body>",
        "</html>",
        "",
    ];
    assert_eq!(body.lines().collect::<Vec<_>>().join("\n") + "\n", expect.join("\n"));
}

#[test]
fn text_is_aligned_and_harmless_to_a_terminal() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("source_id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("n", DataType::Int32, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(GAIA_ID), None])),
        Arc::new(StringArray::from(vec!["λ Cas", "\u{1b}[31mred\u{9b}é\n"])),
        Arc::new(Int32Array::from(vec![1, 22])),
    ];
    let mut out = Vec::new();
    let mut encoder = Encoder::new(Format::Text, Arc::clone(&schema), ResultInfo::default()).unwrap();
    encoder.batch(&RecordBatch::try_new(schema, columns).unwrap(), &mut out).unwrap();
    encoder.finish(&Status::Overflow { maxrec: 2 }, &mut out).unwrap();
    let lines = [
        "          source_id | name        |  n",
        "--------------------+-------------+---",
        "3425114617586286848 | λ Cas       |  1",
        "                    |  [31mred é  | 22",
        "(2 rows: the result was cut after 2 rows (MAXREC); there are more)",
        "",
    ];
    assert_eq!(String::from_utf8(out).unwrap(), lines.join("\n"));
}

#[test]
fn text_streams_once_the_widths_are_known() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", DataType::Int32, true)]));
    let batch = |rows: i32| {
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int32Array::from_iter_values(0..rows))]).unwrap()
    };
    let mut encoder = Encoder::new(Format::Text, Arc::clone(&schema), ResultInfo::default()).unwrap();
    let mut out = Vec::new();
    encoder.batch(&batch(999), &mut out).unwrap();
    assert!(out.is_empty());
    encoder.batch(&batch(2), &mut out).unwrap();
    assert_eq!(out.split(|byte| *byte == b'\n').count(), 2 + 1001 + 1);
}

#[test]
fn tabledata_rows() {
    let rows = |column: ArrayRef| {
        let document = encode_column(Format::VotableTabledata, column).unwrap();
        let (_, rest) = document.split_once("<TABLEDATA>\n").unwrap();
        rest.split_once("</TABLEDATA>").unwrap().0.replace("<TR><TD>", "").replace("</TD></TR>\n", "|")
    };
    assert_eq!(rows(Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))), "-9223372036854775808||");
    let numbers = vec![Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY), None, Some(1e300)];
    assert_eq!(rows(Arc::new(Float64Array::from(numbers))), "NaN|+Inf|-Inf||1e+300|");
    assert_eq!(rows(Arc::new(arrays())), "6008 -2147483648|||1|");
    let nan = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![Some(vec![Some(1.0), None])]);
    assert_eq!(rows(Arc::new(nan)), "1.0 NaN|");
}

#[test]
fn a_result_without_the_column_of_a_service_lacks_the_service() {
    let document = String::from_utf8(sample::encode(Format::VotableTabledata, &Status::Ok)).unwrap();
    assert!(document.contains("<FIELD ID=\"source_id\" name=\"source_id\" datatype=\"long\""));
    assert!(document.contains("<PARAM name=\"ID\" datatype=\"char\" arraysize=\"*\" value=\"\" ref=\"source_id\">"));
    assert!(!document.contains("not_here"));
}

#[test]
fn the_error_document_is_dali() {
    let document = String::from_utf8(error_votable("a < b")).unwrap();
    assert!(document.contains(
        "<RESOURCE type=\"results\">\n<INFO name=\"QUERY_STATUS\" value=\"ERROR\">a &lt; b</INFO>\n</RESOURCE>"
    ));
}

#[test]
fn overflow_and_failure_come_after_the_table() {
    for (status, expect) in [
        (Status::Overflow { maxrec: 5 }, "</TABLE>\n<INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\">"),
        (Status::Error("lost".to_owned()), "</TABLE>\n<INFO name=\"QUERY_STATUS\" value=\"ERROR\">lost</INFO>"),
    ] {
        for format in [Format::VotableTabledata, Format::VotableBinary, Format::VotableBinary2] {
            let document = String::from_utf8(sample::encode(format, &status)).unwrap();
            assert!(document.contains("value=\"OK\"/>") && document.contains(expect), "{format:?} {status:?}");
        }
    }
}

#[test]
fn a_failure_that_cannot_be_told_is_an_error() {
    for format in Format::all() {
        let encoder = Encoder::new(*format, sample::schema(), ResultInfo::default()).unwrap();
        let ended = encoder.finish(&Status::Error("lost".to_owned()), &mut Vec::new());
        match format.reports_status() {
            true => assert!(ended.is_ok(), "{format:?}"),
            false => assert!(matches!(ended, Err(FormatError::Unreported { .. })), "{format:?}"),
        }
    }
}

#[test]
fn what_a_format_cannot_hold_is_refused_and_leaves_no_half_row() {
    let beyond: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
    let collision: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1)]),
        Some(vec![Some(i64::MIN)]),
    ]));
    for format in [Format::VotableTabledata, Format::VotableBinary, Format::VotableBinary2] {
        assert!(matches!(
            encode_column(format, Arc::clone(&beyond)),
            Err(FormatError::BeyondLong { value: u64::MAX, .. })
        ));
        assert!(matches!(
            encode_column(format, Arc::clone(&collision)),
            Err(FormatError::NullCollision { value: i64::MIN, .. })
        ));
        let schema = Arc::new(Schema::new(vec![Field::new("c", collision.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&collision)]).unwrap();
        let mut encoder = Encoder::new(format, schema, ResultInfo::default()).unwrap();
        let mut out = Vec::new();
        encoder.start(&mut out).unwrap();
        let before = out.clone();
        assert!(encoder.batch(&batch, &mut out).is_err());
        assert_eq!(out, before);
        encoder.batch(&batch.slice(0, 1), &mut out).unwrap();
        encoder.finish(&Status::Ok, &mut out).unwrap();
    }
}

#[test]
fn an_array_must_be_as_long_as_declared() {
    let metadata = [("arraysize".to_owned(), "10".to_owned())].into();
    let schema = Arc::new(Schema::new(vec![Field::new("c", arrays_type(), true).with_metadata(metadata)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(arrays())]).unwrap();
    for format in [Format::VotableTabledata, Format::VotableBinary2, Format::Fits] {
        let mut encoder = Encoder::new(format, Arc::clone(&schema), ResultInfo::default()).unwrap();
        let refused = encoder.batch(&batch, &mut Vec::new());
        assert!(matches!(refused, Err(FormatError::ArrayLength { declared: 10, found: 2, .. })), "{format:?}");
    }
}

fn arrays_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Int32, true)))
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let other = Arc::new(Schema::new(vec![Field::new("c", DataType::Int32, true)]));
    let batch = RecordBatch::try_new(other, vec![Arc::new(Int32Array::from(vec![1]))]).unwrap();
    for format in Format::all() {
        let mut encoder = Encoder::new(*format, sample::schema(), ResultInfo::default()).unwrap();
        assert!(matches!(encoder.batch(&batch, &mut Vec::new()), Err(FormatError::BatchSchema { .. })), "{format:?}");
    }
}

#[test]
fn fits_stops_at_its_bound() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, true)]));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ids]).unwrap();
    let mut encoder = Encoder::with_fits_bytes(Format::Fits, schema, ResultInfo::default(), 1000).unwrap();
    encoder.batch(&batch, &mut Vec::new()).unwrap();
    let refused = encoder.batch(&batch, &mut Vec::new());
    assert!(matches!(refused, Err(FormatError::FitsTooBig { limit_bytes: 1000 })));
}

#[test]
fn arrow_and_parquet_give_back_the_same_batch() {
    let sent = concat_batches(&sample::schema(), &sample::batches()).unwrap();
    let stream = sample::encode(Format::Arrow, &Status::Ok);
    let arrow = StreamReader::try_new(stream.as_slice(), None).unwrap();
    assert_eq!(arrow.schema().metadata()["standardID"], "ivo://ivoa.net/std/TAP");
    let arrow: Vec<RecordBatch> = arrow.map(Result::unwrap).collect();
    let parquet = sample::encode(Format::Parquet, &Status::Ok);
    let parquet = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(parquet)).unwrap().build().unwrap();
    let parquet: Vec<RecordBatch> = parquet.map(Result::unwrap).collect();
    for received in [arrow, parquet] {
        let received = concat_batches(&received[0].schema(), &received).unwrap();
        assert_eq!(received.schema().fields(), sent.schema().fields());
        assert_eq!(received.columns(), sent.columns());
    }
}
