//! VOTables that mean harm: each is refused in little time and memory, with a message that says what is wrong.

use std::time::{Duration, Instant};

use spolia_formats::{Format, ReadBounds, Status, read_votable};

use crate::read_votable::{base64, document};
use crate::sample;

const BOUNDS: ReadBounds = ReadBounds { rows: 1000, document_bytes: 64 << 20, memory_bytes: 16 << 20 };
const INT: &str = "<FIELD name=\"c\" datatype=\"int\"/>";
const TEXT: &str = "<FIELD name=\"c\" datatype=\"char\" arraysize=\"*\"/>";

#[track_caller]
fn check(document: impl AsRef<[u8]>, words: &str) {
    let start = Instant::now();
    let error = read_votable(document.as_ref(), &BOUNDS).expect_err(words).to_string();
    assert!(error.contains(words), "{words:?} is missing in: {error}");
    assert!(error.chars().count() < 400, "{} characters: {error}", error.chars().count());
    assert!(start.elapsed() < Duration::from_secs(10), "{words}: took {:?}", start.elapsed());
}

fn tabledata(fields: &str, rows: &str) -> String {
    document(fields, &format!("<TABLEDATA>{rows}</TABLEDATA>"))
}

fn stream(fields: &str, text: &str) -> String {
    document(fields, &format!("<BINARY><STREAM encoding=\"base64\">{text}</STREAM></BINARY>"))
}

#[test]
fn entities_and_types_of_documents() {
    let laughs: String =
        (1..10).map(|at| format!("<!ENTITY l{at} \"{}\">", format!("&l{};", at - 1).repeat(10))).collect();
    let body = tabledata(TEXT, "<TR><TD>&l9;</TD></TR>").replacen("<?xml version=\"1.0\"?>", "", 1);
    check(format!("<!DOCTYPE VOTABLE [<!ENTITY l0 \"lol\">{laughs}]>{body}"), "<!DOCTYPE");
    check(format!("<!DOCTYPE v [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{body}"), "<!DOCTYPE");
    check(format!("<!DOCTYPE v [<!ENTITY % x SYSTEM \"http://127.0.0.1/x.dtd\"> %x;]>{body}"), "<!DOCTYPE");
    check(format!("<!DOCTYPE VOTABLE SYSTEM \"http://us-vo.org/xml/VOTable.dtd\">{body}"), "<!DOCTYPE");
    check(format!("<!DOCTYPE v [{}", "<!ENTITY a \"b\">".repeat(1 << 20)), "the length of one tag");
    check(tabledata(TEXT, "<TR><TD>&lol;</TD></TR>"), "the entity &lol;");
    check(tabledata(TEXT, &format!("<TR><TD>&{};</TD></TR>", "x".repeat(1 << 20))), "the entity &xxx");
    check(tabledata("<FIELD name=\"&xxe;\" datatype=\"int\"/>", ""), "xxe");
    check(tabledata(TEXT, "<TR><TD>&#0;</TD></TR>"), "entity &#0;");
    check(tabledata(TEXT, "<TR><TD>&#x1F;</TD></TR>"), "U+001F");
    check(tabledata(TEXT, "<TR><TD>&#xD800;</TD></TR>"), "&#xD800;");
    check(tabledata(TEXT, "<TR><TD>a & b</TD></TR>"), "not well-formed");
}

#[test]
fn depth_and_length() {
    check(format!("<VOTABLE>{}", "<RESOURCE>".repeat(2 << 20)), "the depth of elements");
    check(tabledata(INT, &format!("<TR>{}", "<TD>".repeat(1 << 20))), "has an element in it");
    check(
        tabledata(&format!("<FIELD name=\"{}\" datatype=\"int\"/>", "n".repeat(5 << 20)), ""),
        "the length of one tag",
    );
    check(
        tabledata(&format!("<FIELD name=\"{}\" datatype=\"int\"/>", "n".repeat(1 << 20)), ""),
        "the length of an attribute",
    );
    let attributes: String = (0..100_000).map(|at| format!(" a{at}=\"\"")).collect();
    check(tabledata(&format!("<FIELD{attributes}/>"), ""), "the number of a tag's attributes");
    check(format!("<VOTABLE><{0}></{0}>", "n".repeat(1 << 20)), "the length of an element's name");
    let fields: String = (0..100_000).map(|at| format!("<FIELD name=\"c{at}\" datatype=\"int\"/>")).collect();
    check(tabledata(&fields, ""), "the number of FIELDs");
    let description =
        format!("<FIELD name=\"c\" datatype=\"int\"><DESCRIPTION>{}</DESCRIPTION></FIELD>", "d".repeat(1 << 20));
    check(tabledata(&description, ""), "the length of this text");
    check(
        tabledata(TEXT, &format!("<TR><TD>{}</TD></TR>", "t".repeat(5 << 20))),
        "the length of one tag, comment or text",
    );
    check(
        tabledata(TEXT, &format!("<TR><TD>{}</TD></TR>", "t&#65;".repeat(3 << 20))),
        "the length of one tag, comment or text",
    );
    check(format!("<!-- {}", "-".repeat(5 << 20)), "the length of one tag");
    check(tabledata(INT, &"<TR><TD>1</TD></TR>".repeat(2000)), "more than 1000 rows");
    check(
        tabledata(TEXT, &format!("<TR><TD>{}</TD></TR>", "t".repeat(3 << 20)).repeat(8)),
        "the values take more than 16 MB",
    );
    check(tabledata("", &"<!-- a -->".repeat(8 << 20)), "has no FIELD");
}

#[test]
fn sizes_that_are_not_there() {
    let field = |size: &str| format!("<FIELD name=\"c\" datatype=\"double\" arraysize=\"{size}\"/>");
    for size in [
        "99999999999",
        "99999999999999999999999",
        "4294967296x4294967296x4294967296",
        "-1",
        "0",
        "1e9",
        "**",
        "x",
        "3x",
    ] {
        check(tabledata(&field(size), "<TR><TD></TD></TR>"), "arraysize=");
    }
    check(tabledata(&field("1048576"), &"<TR><TD/></TR>".repeat(900)), "the values take more than");
    check(tabledata(&field("1048577"), ""), "arraysize=");
    let any = field("*");
    check(stream(&any, &base64(&[0xFF; 4])), "4294967295 elements");
    check(stream(&any, &base64(&[0, 1, 0, 0])), "ends 524288 bytes short");
    check(stream(TEXT, &base64(&[0x7F, 0xFF, 0xFF, 0xFF, 65])), "2147483647 elements");
    check(stream(&field("1048576"), &base64(&[0; 80])), "ends 8388528 bytes short");
    check(stream(&field("2x*"), ""), "send them as TABLEDATA");
    let lying = tabledata(INT, "<TR><TD>1</TD></TR>").replace("<TABLE>", "<TABLE nrows=\"1000000000000\">");
    check(lying, "says nrows=1000000000000 but has 1 rows");
    check(tabledata(INT, "").replace("<TABLE>", "<TABLE nrows=\"many\">"), "nrows=\"many\"");
}

#[test]
fn documents_that_are_broken() {
    let whole = tabledata(INT, "<TR><TD>1</TD></TR>");
    check("", "empty");
    check("   ", "no element");
    check("id,ra\n1,2\n", "begins with text");
    check("<html><body>404</body></html>", "\"html\"");
    check("<VOTABLE version=\"2.0\"/>", "VOTable \"2.0\" is not read");
    check("<VOTABLE/>", "no TABLE");
    check("<VOTABLE><RESOURCE><TABLE/></RESOURCE></VOTABLE>", "no FIELD");
    check(&whole[..whole.len() - 5], "not well-formed");
    check(&whole[..whole.find("</TABLEDATA>").unwrap()], "is it cut off?");
    check(&whole[..whole.find("<TD>").unwrap() + 2], "not well-formed");
    check(whole.replace("</TR>", "</TD>"), "not well-formed");
    check(format!("<VOTABLE></{}>", "n".repeat(1 << 20)), "not well-formed");
    check(format!("{whole}<VOTABLE/>"), "behind the VOTABLE");
    check(format!("{whole} and more"), "behind the VOTABLE");
    check(whole.replace("<FIELD ", "<FIELD name=\"d\" "), "not well-formed");
    check(whole.replace("<DATA>", "<DATA><TABLEDATA/>"), "second serialization");
    check(whole.replace("</DATA>", "</DATA><DATA/>"), "second DATA");
    check(whole.replace("</DATA>", "</DATA><FIELD name=\"d\" datatype=\"int\"/>"), "after the DATA");
    check(tabledata(&INT.repeat(2), ""), "the same name");
    check(tabledata("<FIELD datatype=\"int\"/>", ""), "neither a name nor an ID");
}

#[test]
fn encodings_and_bytes() {
    let whole = tabledata(TEXT, "<TR><TD>é</TD></TR>");
    let wide: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check([&[0xFF, 0xFE], &wide[..]].concat(), "UTF-16");
    check(&wide, "UTF-16");
    check([0x1F, 0x8B, 8, 0], "gzip");
    check([0; 64], "UTF-16 or UTF-32");
    check(whole.replace("?>", " encoding=\"ISO-8859-1\"?>"), "declared as ISO-8859-1");
    check(whole.replace("?>", " encoding=\"UTF-7\"?>"), "declared as UTF-7");
    let latin: Vec<u8> = whole.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    check(latin, "not UTF-8");
    check([b"<VOTABLE><RESOURCE name=\"\xC3\x28\">", whole.as_bytes()].concat(), "not UTF-8");
    check(tabledata(TEXT, "<TR><TD>\u{0}</TD></TR>"), "U+0000");
}

#[test]
fn streams_that_are_no_streams() {
    for garbage in ["!!!!", "AAAAA", "AAA", "AA==AAAA", "=AAA", "AAAB====", "AAAA<b/>", "\u{3bb}"] {
        check(stream(INT, garbage), if garbage.contains('<') { "element in it" } else { "no base64" });
    }
    check(stream(INT, "AAAA"), "ends 1 bytes short");
    check(stream(INT, &base64(&[0; 6])), "row 2, column \"c\"");
    let data = |inner: &str| document(INT, inner);
    check(data("<BINARY2><STREAM encoding=\"base64\">AAA=</STREAM></BINARY2>"), "ends 3 bytes short");
    check(data("<BINARY><STREAM href=\"file:///etc/passwd\" encoding=\"base64\"/></BINARY>"), "href");
    check(data("<BINARY><STREAM encoding=\"gzip\">AAAA</STREAM></BINARY>"), "encoding=\"base64\"");
    check(data("<BINARY><STREAM>AAAAAA==</STREAM></BINARY>"), "encoding=\"base64\"");
    check(data("<BINARY><STREAM encoding=\"base64\"/><STREAM encoding=\"base64\"/></BINARY>"), "one STREAM");
    check(data("<FITS><STREAM href=\"http://127.0.0.1/\"/></FITS>"), "rows as FITS");
    check(data("<PARQUET type=\"VOTable-remote-file\"/>"), "rows as PARQUET");
    let wide = "<FIELD name=\"c\" datatype=\"unicodeChar\" arraysize=\"1*\"/>";
    check(stream(wide, &base64(&[0, 0, 0, 1, 0xD8, 0])), "not UTF-16");
    check(stream(TEXT, &base64(&[0, 0, 0, 1, 0xFF])), "not UTF-8");
    check(stream("<FIELD name=\"c\" datatype=\"boolean\"/>", &base64(b"X")), "are no boolean");
}

#[test]
fn values_that_their_field_does_not_hold() {
    let cell = |datatype: &str, text: &str| {
        tabledata(&format!("<FIELD name=\"c\" datatype=\"{datatype}\"/>"), &format!("<TR><TD>{text}</TD></TR>"))
    };
    for (datatype, text) in [
        ("unsignedByte", "256"),
        ("unsignedByte", "-1"),
        ("short", "32768"),
        ("int", "2147483648"),
        ("long", "9223372036854775808"),
        ("int", "1.5"),
        ("int", "0x-1"),
        ("double", "1e999"),
        ("float", "1e39"),
        ("double", "1,5"),
        ("boolean", "yes"),
    ] {
        check(cell(datatype, text), &format!("is no {datatype}"));
    }
    check(tabledata("<FIELD name=\"c\" datatype=\"bit\" arraysize=\"8\"/>", ""), "arrays of bits");
    for datatype in ["floatComplex", "doubleComplex"] {
        check(cell(datatype, "1"), &format!("{datatype} has no type in queries"));
    }
    check(cell("int32", "1"), "no datatype of VOTable");
    check(tabledata("<FIELD name=\"c\"/>", ""), "has no datatype");
    check(tabledata("<FIELD name=\"c\" datatype=\"char\" arraysize=\"8x*\"/>", ""), "arrays of texts");
    check(tabledata(INT, "<TR></TR>"), "0 cells where there are 1");
    check(tabledata(INT, &format!("<TR>{}</TR>", "<TD>1</TD>".repeat(100_000))), "100000 cells where there are 1");
    check(tabledata(INT, "<TR><TD encoding=\"base64\">AAAA</TD></TR>"), "a TD with an encoding");
    check(tabledata(INT, "<TR>1</TR>"), "outside of its cells");
    check(tabledata(INT, "<ROW/>"), "not ROW");
}

#[test]
fn answers_of_failed_queries() {
    let failed = sample::encode(Format::VotableTabledata, &Status::Error("node n2 <lost>".to_owned()));
    check(failed, "failed and may lack rows: node n2 <lost>");
    check(spolia_formats::error_votable("no such table"), "no such table");
}
