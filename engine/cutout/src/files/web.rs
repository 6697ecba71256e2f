//! A file behind a URL: ranges of it by HTTP (RFC 9110, section 14). The URL may have a query, as signed ones do.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use object_store::Error;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH, RANGE};
use reqwest::{Client, Response, StatusCode, Url};

use super::address::{CONNECT, TIMEOUT, public};
use super::stored::Answer;

/// A file behind a URL.
pub(super) struct WebFile {
    client: Client,
    url: Url,
}

impl WebFile {
    /// Nothing is asked yet.
    pub(super) fn new(url: Url) -> object_store::Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT).build().map_err(broken)?;
        Ok(Self { client, url })
    }

    /// Where it is, without a query that holds a secret.
    pub(super) fn shown(&self) -> &str {
        public(self.url.as_str())
    }

    /// A range of it, as far as the file goes, if it is of that version.
    pub(super) async fn get(&self, range: Range<u64>, etag: Option<&str>) -> object_store::Result<Answer> {
        let last = range.end.saturating_sub(1);
        let mut request = self.client.get(self.url.clone()).header(RANGE, format!("bytes={}-{last}", range.start));
        // Bytes of the file, not of a compressed one.
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(etag) = etag {
            request = request.header(IF_MATCH, etag);
        }
        let response = request.send().await.map_err(broken)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => self.partial(response, &range).await,
            StatusCode::OK => Err(self.refused("the server does not send ranges of it, but all of it; fetch it first")),
            StatusCode::RANGE_NOT_SATISFIABLE => match size_of_empty(response.headers()) {
                Some(0) => {
                    Ok(Answer { size: 0, etag: header(response.headers(), ETAG), range: 0..0, bytes: Bytes::new() })
                }
                _ => Err(failed(format!("the server says that bytes {range:?} are not in it"))),
            },
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(Error::NotFound { path: self.shown().to_owned(), source: "there is no such file".into() })
            }
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let source = format!("the server answers {status}").into();
                Err(Error::PermissionDenied { path: self.shown().to_owned(), source })
            }
            StatusCode::PRECONDITION_FAILED => {
                Err(Error::Precondition { path: self.shown().to_owned(), source: "its ETag is another one".into() })
            }
            status if status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429) => {
                Err(self.refused(&format!("the server answers {status}")))
            }
            status => Err(failed(format!("the server answers {status}"))),
        }
    }

    async fn partial(&self, mut response: Response, asked: &Range<u64>) -> object_store::Result<Answer> {
        let told = header(response.headers(), CONTENT_RANGE);
        let told = told.as_deref().and_then(content_range);
        let (range, size) = told.ok_or_else(|| failed("the server does not say which range it sends"))?;
        let etag = header(response.headers(), ETAG);
        let mut bytes = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > asked.end - asked.start {
                return Err(failed("the server sends more than was asked for"));
            }
        }
        Ok(Answer { size, etag, range, bytes: bytes.freeze() })
    }

    fn refused(&self, why: &str) -> Error {
        Error::NotSupported { source: format!("{}: {why}", self.shown()).into() }
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// `bytes 0-99/1234`.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size) = (first.parse().ok()?, last.parse::<u64>().ok()?, size.parse().ok()?);
    Some((first..last.checked_add(1)?, size))
}

/// `bytes */0`.
fn size_of_empty(headers: &HeaderMap) -> Option<u64> {
    header(headers, CONTENT_RANGE)?.strip_prefix("bytes */")?.parse().ok()
}

/// A request that did not come to its end. The URL, which may hold a secret, is not told.
fn broken(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    failed(why)
}

/// What may go better next time.
fn failed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "HTTP", source: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_answers_are_read() {
        assert_eq!(content_range("bytes 0-99/1234"), Some((0..100, 1234)));
        for wrong in ["bytes 0-99/*", "0-99/100", "bytes */0", "bytes 0-18446744073709551615/1"] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
