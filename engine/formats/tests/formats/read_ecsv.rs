//! ECSV that comes in: what its columns and values become, and what is refused.

use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, TimeUnit};
use spolia_formats::{Format, ReadBounds, Status, read_ecsv};

use crate::sample;
use crate::table::{Random, columns, fixed, list, metadata};

const BOUNDS: ReadBounds = ReadBounds { rows: 1000, document_bytes: 64 << 20, memory_bytes: 16 << 20 };

fn one(column: &str, rows: &str) -> String {
    format!("# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: c, {column}}}\n# schema: astropy-2.0\nc\n{rows}")
}

#[track_caller]
fn check(file: &str, data_type: &DataType, values: &[&str]) {
    let (schema, batches) = read_ecsv(file.as_bytes(), &BOUNDS).unwrap();
    assert_eq!(schema.field(0).data_type(), data_type);
    assert_eq!(columns(schema, &batches)[0], values, "{file}");
}

#[track_caller]
fn check_refused(file: impl AsRef<[u8]>, words: &str) {
    let start = Instant::now();
    let error = read_ecsv(file.as_ref(), &BOUNDS).expect_err(words).to_string();
    assert!(error.contains(words), "{words:?} is missing in: {error}");
    assert!(error.chars().count() < 400, "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{words}: took {:?}", start.elapsed());
}

#[test]
fn columns_are_of_the_types_that_queries_know() {
    check(
        &one("datatype: int64", "-9223372036854775808\n\"\"\n3425114617586286848\n"),
        &DataType::Int64,
        &["-9223372036854775808", "", "3425114617586286848"],
    );
    check(&one("datatype: uint8", "255\n"), &DataType::Int16, &["255"]);
    check(&one("datatype: uint16", "65535\n"), &DataType::Int32, &["65535"]);
    check(&one("datatype: uint32", "4294967295"), &DataType::Int64, &["4294967295"]);
    check(&one("datatype: float64", "nan\n-inf\n1e-7\n\"\"\n"), &DataType::Float64, &["NaN", "-Infinity", "1e-7", ""]);
    check(&one("datatype: float32", "0.1\n"), &DataType::Float32, &["0.1"]);
    check(&one("datatype: bool", "True\nFalse\n\"\"\n"), &DataType::Boolean, &["true", "false", ""]);
    check(
        &one("datatype: string", "\"a \"\"b\"\"\"\n# no row\n\n\"#1\"\nλ\n\"x\ny\"\n"),
        &DataType::Utf8,
        &["a \"b\"", "#1", "λ", "x y"],
    );
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    check(
        &one("datatype: string, meta: {xtype: timestamp}", "2017-05-05T15:27:27.5\n"),
        &time,
        &["2017-05-05T15:27:27.5"],
    );
}

#[test]
fn arrays_are_lists() {
    check(&one("datatype: string, subtype: 'int32[3]'", "[1,null,3]\n"), &fixed(DataType::Int32, 3), &["[1, null, 3]"]);
    let rows = "\"[1.5, NaN]\"\n[]\n\"\"\n[-Infinity]\n";
    let expect = ["[1.5, NaN]", "[]", "", "[-Infinity]"];
    check(&one("datatype: string, subtype: 'float64[null]'", rows), &list(DataType::Float64), &expect);
    let (schema, batches) =
        read_ecsv(one("datatype: string, subtype: 'bool[2,1]'", "[[true],[false]]\n").as_bytes(), &BOUNDS).unwrap();
    assert_eq!(schema.field(0).metadata()["arraysize"], "1x2");
    assert_eq!(columns(schema, &batches)[0], ["[true, false]"]);
}

/// As astropy and STILTS lay it out, with what YAML allows beside.
#[test]
fn heads_are_yaml() {
    let head = "# %ECSV 1.0
# ---
# delimiter: ','
# datatype:
# -
#   name: \"a: \\u03bb\"
#   datatype: int32
#   description: 'it''s
#     long'
# - {name: b, datatype: float64, unit: m / s, description: 'x, {y}: #z',
#   meta: !!omap [{ucd: phot.mag;em.opt}, {utype: \"a:b\"}]}
# - name: c
#   datatype: string
#   unit: null
#   meta: !!omap
#   - {ucd: 'meta.id'}
#   - {other: [1, {deep: 2}]}
# meta: !!omap
# - comments: [one, two]
# - text: |
#     free: {text
#   more: >
#     yes
# schema: astropy-2.0
";
    let (schema, batches) = read_ecsv(format!("{head}a: λ,b,c\n1, 2.5 ,\"x, y\"\n,,\n").as_bytes(), &BOUNDS).unwrap();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["a: λ", "b", "c"]);
    assert_eq!(metadata(schema.field(0)), [("description", "it's long")]);
    let b = [("description", "x, {y}: #z"), ("ucd", "phot.mag;em.opt"), ("unit", "m / s"), ("utype", "a:b")];
    assert_eq!(metadata(schema.field(1)), b);
    assert_eq!(metadata(schema.field(2)), [("ucd", "meta.id")]);
    assert_eq!(columns(schema, &batches), [["1", ""], ["2.5", ""], ["x, y", ""]]);
}

#[test]
fn spaces_in_a_row_are_one_separator() {
    let head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\n# - {name: b c, datatype: string}\n";
    let (schema, batches) = read_ecsv(format!("{head}a \"b c\"\n  1   x  \n2 \"\"\n").as_bytes(), &BOUNDS).unwrap();
    assert_eq!(columns(schema, &batches), [["1", "2"], ["x", ""]]);
}

#[test]
fn what_is_written_is_read_back() {
    let written = columns(sample::schema(), &sample::batches());
    let file = sample::encode(Format::Ecsv, &Status::Ok);
    let (schema, batches) = read_ecsv(file.as_slice(), &BOUNDS).unwrap();
    let sent = sample::schema();
    for (at, field) in schema.fields().iter().enumerate() {
        let time = |text: &String| {
            if field.name() == "day" && !text.is_empty() { format!("{text}T00:00:00") } else { text.clone() }
        };
        let expect: Vec<String> = written[at].iter().map(time).collect();
        assert_eq!(columns(schema.clone(), &batches)[at], expect, "{}", field.name());
        for key in ["unit", "ucd", "utype", "description"] {
            assert_eq!(field.metadata().get(key), sent.field(at).metadata().get(key), "{key} of {}", field.name());
        }
    }
}

#[test]
fn what_is_no_ecsv_or_means_harm_is_refused() {
    check_refused("", "the first line of ECSV");
    check_refused("a,b\n1,2\n", "the first line of ECSV");
    check_refused("# a\n", "the first line is not");
    check_refused("# %ECSV 2.0\na\n", "the first line is not");
    check_refused("# %ECSV 1.0\na\n", "no list of datatypes");
    check_refused("# %ECSV 1.0\n# datatype: [\na\n", "] is missing");
    check_refused("# %ECSV 1.0\n# datatype: &a [*a, *a]\na\n", "anchors");
    check_refused(format!("# %ECSV 1.0\n# datatype: {}\na\n", "[".repeat(1 << 20)), "nests deeper");
    check_refused(format!("# %ECSV 1.0\n# datatype:\n# {}a\na\n", "- ".repeat(1 << 20)), "nests deeper");
    check_refused(format!("# %ECSV 1.0\n{}", "# a: b\n".repeat(1 << 20)), "more than 4194304 bytes");
    let many: String = (0..3000).map(|at| format!("# - {{name: c{at}, datatype: int8}}\n")).collect();
    check_refused(format!("# %ECSV 1.0\n# datatype:\n{many}"), "3000 columns");
    check_refused("# %ECSV 1.0\n# delimiter: ;\n# datatype:\n# - {name: c, datatype: int8}\nc\n", "the delimiter");
    let twice = "# %ECSV 1.0\n# datatype:\n# - {name: c, datatype: int8}\n# - {name: c, datatype: int8}\nc c\n";
    check_refused(twice, "the same name");
    let long = "n".repeat(1 << 20);
    check_refused(one("datatype: int8", "x\n").replace("c\n", &format!("{long}\n")), "it names");
    check_refused(one(&format!("datatype: {long}"), ""), "none of ECSV's");
    check_refused(format!("# %ECSV 1.0\n# datatype:\n# - {{name: {long}}}\n"), "it has no datatype");
    check_refused(one("datatype: complex128", ""), "none of ECSV's");
    check_refused(one("datatype: string, subtype: json", ""), "objects have no type");
    check_refused(one("datatype: string, subtype: 'string[2]'", ""), "arrays of texts");
    check_refused(one("datatype: string, subtype: 'int8[99999999999]'", ""), "its shape");
    check_refused(one("datatype: string, subtype: 'float64[1048576]'", &"\"\"\n".repeat(100)), "values take more than");
    check_refused(one("datatype: int8", "128\n"), "line 7, column \"c\": \"128\" is no value");
    check_refused(one("datatype: uint64", "9223372036854775808\n"), "is no value");
    check_refused(one("datatype: float64", "1e999\n"), "is no value");
    check_refused(one("datatype: string, subtype: 'int8[2]'", "[1]\n"), "1 elements where the head declares 2");
    check_refused(one("datatype: string, subtype: 'int8[2]'", "1\n"), "is no array");
    check_refused(one("datatype: int8", "1 2\n"), "2 cells where there are 1");
    check_refused(one("datatype: int8", "1\n").replace("\nc\n", "\nd\n"), "it names \"d\"");
    check_refused(one("datatype: int8", "").replace("\nc\n", "\n"), "the names of the columns");
    check_refused(one("datatype: int8", &"1\n".repeat(1001)), "more than 1000 rows");
    check_refused(one("datatype: string", "\"open\n"), "a quote is not closed");
    check_refused(one("datatype: string", &format!("\"{}", "\"\"\n".repeat(4 << 20))), "quote is not closed");
    check_refused(one("datatype: string", &format!("\"{}", "\"\"\n".repeat(8 << 20))), "more than 16777216 bytes");
    check_refused(one("datatype: string", &"x".repeat(17 << 20)), "more than 16777216 bytes");
    check_refused([one("datatype: string", "").as_bytes(), b"\xFF\n"].concat(), "not UTF-8");
    check_refused(b"# %ECSV 1.0\n# \xFF\n", "not UTF-8");
}

#[test]
fn changed_files_never_panic() {
    let tokens = ["\"", ",", "\n", "# ", "{", "}", "[", "]", ": ", "!!omap", "'", "- ", "null", "\\u", "int64[2]"];
    let mut random = Random(3);
    let whole = sample::encode(Format::Ecsv, &Status::Ok);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..6000 {
        let mut file = whole.clone();
        for _ in 0..=random.below(3) {
            random.mutate(&mut file, &tokens);
        }
        match read_ecsv(file.as_slice(), &BOUNDS) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(read > 100 && refused > 1000, "{read} were read, {refused} refused");
}
