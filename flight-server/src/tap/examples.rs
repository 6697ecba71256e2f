//! `/tap/examples`: queries to begin with. DALI 1.1 section 2.3, TAP 1.1 section 2.6.

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};

/// XHTML with RDFa: clients take the queries out of it.
const EXAMPLES: &str = include_str!("examples.xhtml");

/// The examples.
pub(crate) async fn examples() -> Response<Body> {
    let mut response = Response::new(Body::from(EXAMPLES));
    let content_type = HeaderValue::from_static("application/xhtml+xml;charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    /// The texts of the elements with `property="query"`.
    fn queries() -> Vec<String> {
        let (mut reader, mut queries, mut inside) = (Reader::from_str(EXAMPLES), Vec::new(), false);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => {
                    let property = tag.try_get_attribute("property").unwrap();
                    if property.is_some_and(|property| property.value == "query") {
                        inside = true;
                        queries.push(String::new());
                    }
                }
                Event::Text(text) if inside => queries.last_mut().unwrap().push_str(&text),
                Event::GeneralRef(entity) if inside => {
                    queries.last_mut().unwrap().push_str(match entity.as_ref() {
                        "lt" => "<",
                        "gt" => ">",
                        other => panic!("{other}"),
                    });
                }
                Event::End(_) => inside = false,
                Event::Eof => return queries,
                _ => {}
            }
        }
    }

    #[test]
    fn every_example_is_adql() {
        let queries = queries();
        assert!(queries.len() >= 4, "{queries:?}");
        for query in queries {
            assert!(spolia_adql::parse(&query).is_ok(), "{query}: {:?}", spolia_adql::parse(&query).err());
        }
    }
}
