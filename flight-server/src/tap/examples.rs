//! `/tap/examples`: queries to begin with, those of the collections and some about all of them. DALI 1.1 section 2.3, TAP 1.1 section 2.6.

use std::io;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use spolia_catalogue::Example;
use spolia_exec::Act;

use crate::fault::Fault;
use crate::visitor::Visitor;
use crate::xml::{self, Xml};

/// The vocabulary of the properties: clients take the queries out by them.
const VOCABULARY: &str = "http://www.ivoa.net/rdf/examples#";
/// Examples that every archive has: name, description, query.
const GENERAL: [[&str; 3]; 3] = [
    [
        "All tables",
        "What there is to query.",
        "SELECT table_name, description FROM tap_schema.tables ORDER BY table_name",
    ],
    [
        "Columns by their meaning",
        "Where positions, proper motions and the like are, by their UCD.",
        "SELECT table_name, column_name, unit, ucd FROM tap_schema.columns WHERE ucd LIKE 'pos.%'",
    ],
    [
        "The columns that matter",
        "The principal columns of each table, in order.",
        "SELECT table_name, column_name, datatype, description FROM tap_schema.columns\n\
         WHERE principal = 1 ORDER BY table_name, column_index",
    ],
];

/// The examples, as XHTML with RDFa.
pub(crate) async fn examples(Visitor(service): Visitor) -> Response<Body> {
    let answered = async {
        let collections = service.archive.collections(Act::Query).await?;
        let [general, own] = [general(), collections.into_iter().flat_map(|known| known.examples).collect()];
        let document = xml::document(|xml| document(xml, &[own, general].concat()));
        let mut response = Response::new(Body::from(document.map_err(|error| Fault::internal("write it", &error))?));
        let content_type = HeaderValue::from_static("application/xhtml+xml;charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.text())
}

fn general() -> Vec<Example> {
    let example = |parts: [&str; 3]| {
        let [name, description, query] = parts.map(str::to_owned);
        Example { name, description, query }
    };
    GENERAL.into_iter().map(example).collect()
}

fn document(xml: &mut Xml, examples: &[Example]) -> io::Result<()> {
    let title = "Queries to begin with";
    let attributes = [("xmlns", "http://www.w3.org/1999/xhtml"), ("version", "XHTML+RDFa 1.1")];
    xml.create_element("html").with_attributes(attributes).write_inner_content(|xml| {
        xml.create_element("head").write_inner_content(|xml| xml::text(xml, "title", title))?;
        xml.create_element("body").with_attribute(("vocab", VOCABULARY)).write_inner_content(|xml| {
            xml::text(xml, "h1", title)?;
            examples.iter().zip(1..).try_for_each(|(example, number)| write(xml, example, number))
        })?;
        Ok(())
    })?;
    Ok(())
}

fn write(xml: &mut Xml, example: &Example, number: usize) -> io::Result<()> {
    let id = id(&example.name, number);
    let resource = format!("#{id}");
    let attributes = [("typeof", "example"), ("id", id.as_str()), ("resource", resource.as_str())];
    xml.create_element("div").with_attributes(attributes).write_inner_content(|xml| {
        property(xml, "h2", "name", &example.name)?;
        xml::text(xml, "p", &example.description)?;
        property(xml, "pre", "query", example.query.trim())
    })?;
    Ok(())
}

fn property(xml: &mut Xml, element: &str, name: &str, value: &str) -> io::Result<()> {
    let text = quick_xml::events::BytesText::new(value);
    xml.create_element(element).with_attribute(("property", name)).write_text_content(text)?;
    Ok(())
}

/// The name as an XML id, and a number, since names may be alike.
fn id(name: &str, number: usize) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    format!("example-{number}-{}", letters.collect::<String>().trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_texts_of_properties() {
        let hostile =
            Example { name: "a <b>".to_owned(), description: "x & y".to_owned(), query: "SELECT 1 < 2".to_owned() };
        let written = xml::document(|xml| document(xml, &[vec![hostile], general()].concat())).unwrap();
        let written = String::from_utf8(written).unwrap();
        for part in ["id=\"example-1-a--b\"", "<pre property=\"query\">SELECT 1 &lt; 2</pre>", "x &amp; y"] {
            assert!(written.contains(part), "{part} is not in {written}");
        }
        for example in general() {
            assert!(spolia_adql::parse(&example.query).is_ok(), "{}", example.query);
        }
    }
}
