//! `/`: the service for people.

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};

use crate::visitor::Visitor;

const PAGE: &str = include_str!("page.html");

/// What this is and how to use it. The base URL is one of letters that need no escaping.
pub(crate) async fn page(Visitor(service): Visitor) -> Response<Body> {
    let mut response = Response::new(Body::from(PAGE.replace("{base_url}", &service.base_url)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=utf-8"));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; form-action 'self'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
