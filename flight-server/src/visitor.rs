//! Who asks, at the HTTP doors: a bearer token, or a name and a token as its password; nobody by name otherwise.
//!
//! RFC 6750 section 2.1 and RFC 7617; the IVOA knows them as `ivo://ivoa.net/sso#BasicAA` and by the word Bearer.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::middleware::Next;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use spolia_exec::{Credentials, Principal};

use crate::fault::Fault;
use crate::service::Service;

/// Tells a client by which name it is known.
const KNOWN_AS: HeaderName = HeaderName::from_static("x-vo-authenticated");
/// Bytes of credentials at most.
const LONGEST: usize = 1024;

/// Where TOPCAT (4.9 and later) looks for a way to log in to a service that answers to everybody. RFC 9110 section 11.6.1 has
/// challenges in such answers too.
const CAPABILITIES: &str = "/tap/capabilities";

/// The service as whoever sent the request may see it.
pub(crate) struct Visitor(pub(crate) Service);

impl FromRequestParts<Service> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Infallible> {
        let who = parts.extensions.get::<Principal>().cloned().unwrap_or_else(Principal::anonymous);
        Ok(Self(service.seen_by(who)))
    }
}

/// Finds out who asks before any door is opened, and tells the client; wrong credentials open none.
pub(crate) async fn identify(State(service): State<Service>, mut request: Request, next: Next) -> Response<Body> {
    let who = match shown(request.headers()) {
        Ok(shown) => service.identify(shown).await,
        Err(fault) => Err(fault),
    };
    let who = match who {
        Ok(who) => who,
        Err(fault) => return challenged(fault.text()),
    };
    let name = who.name().and_then(|name| HeaderValue::from_str(name).ok());
    request.extensions_mut().insert(who);
    let invites = name.is_none() && request.uri().path() == CAPABILITIES;
    let answer = next.run(request).await;
    let mut response = if invites { with_challenges(answer) } else { challenged(answer) };
    response.headers_mut().extend(name.map(|name| (KNOWN_AS, name)));
    response
}

/// Says how one can be known, where that is needed.
fn challenged(response: Response<Body>) -> Response<Body> {
    if response.status() == StatusCode::UNAUTHORIZED { with_challenges(response) } else { response }
}

fn with_challenges(mut response: Response<Body>) -> Response<Body> {
    for way in ["Bearer realm=\"spolia\"", "Basic realm=\"spolia\""] {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(way));
    }
    response
}

/// The credentials of a request, if it has any.
///
/// # Errors
/// [`Fault`] for a header that has none in a form known here.
fn shown(headers: &HeaderMap) -> Result<Option<Credentials>, Fault> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let known = value.to_str().ok().filter(|value| value.len() <= LONGEST).and_then(credentials);
    let refused = || Fault::unauthorized("the Authorization header is neither of the form Bearer nor Basic");
    known.map(Some).ok_or_else(refused)
}

/// The credentials in the value of an Authorization header.
pub(crate) fn credentials(value: &str) -> Option<Credentials> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials { name: None, secret: rest.trim().to_owned() });
    }
    let decoded = STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (name, secret) = decoded.split_once(':')?;
    Some(Credentials { name: Some(name.to_owned()), secret: secret.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_a_token_or_a_name_with_one() {
        let known = |value: &str| credentials(value).map(|shown| (shown.name, shown.secret));
        assert_eq!(known("Bearer abc"), Some((None, "abc".to_owned())));
        assert_eq!(known("basic YWRhOmE6Yg=="), Some((Some("ada".to_owned()), "a:b".to_owned())));
        for wrong in ["", "abc", "Digest x", "Basic !!", "Basic YWRh"] {
            assert_eq!(known(wrong), None, "{wrong}");
        }
    }
}
