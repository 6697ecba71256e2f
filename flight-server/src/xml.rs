//! Writing XML: the documents of VOSI, UWS and OAI-PMH.

use std::borrow::Cow;
use std::io;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::fault::Fault;

/// A document under way.
pub(crate) type Xml = Writer<Vec<u8>>;

/// A whole document as a response.
///
/// # Errors
/// [`Fault`] when writing fails, which it does not in memory.
pub(crate) fn respond(write: impl FnOnce(&mut Xml) -> io::Result<()>) -> Result<Response<Body>, Fault> {
    let document = document(write).map_err(|error| Fault::internal("write the document", &error))?;
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=utf-8"));
    Ok(response)
}

/// A whole document with its declaration.
pub(crate) fn document(write: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    write(&mut xml)?;
    Ok(xml.into_inner())
}

/// Elements without a document around them yet.
pub(crate) fn fragment(write: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    write(&mut xml)?;
    Ok(xml.into_inner())
}

/// A text with the letters that XML 1.0 has no place for replaced.
pub(crate) fn allowed(text: &str) -> Cow<'_, str> {
    let forbidden = |c: char| matches!(c, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}');
    if text.contains(forbidden) { text.replace(forbidden, "\u{FFFD}").into() } else { text.into() }
}

/// An element with text.
pub(crate) fn text(xml: &mut Xml, name: &str, value: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(&allowed(value)))?;
    Ok(())
}

/// An element with text, if there is any.
pub(crate) fn optional(xml: &mut Xml, name: &str, value: Option<&str>) -> io::Result<()> {
    value.filter(|value| !value.is_empty()).map_or(Ok(()), |value| text(xml, name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_empty_text_left_out() {
        let written = document(|xml| {
            xml.create_element("a").with_attribute(("b", "\"<&")).write_inner_content(|xml| {
                text(xml, "c", "1 < 2 & \"x\"")?;
                optional(xml, "d", Some(""))?;
                optional(xml, "d", None)
            })?;
            Ok(())
        });
        let written = String::from_utf8(written.unwrap()).unwrap();
        assert!(written.contains("<a b=\"&quot;&lt;&amp;\">"), "{written}");
        assert!(written.contains("<c>1 &lt; 2 &amp; ") && !written.contains("<d"), "{written}");
    }
}
