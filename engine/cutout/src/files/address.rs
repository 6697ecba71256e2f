//! What a URL means: a store, and a key in it.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, Error, ObjectStore, RetryConfig};

use super::stored::Way;
use super::web::WebFile;

/// How long one answer may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// How a bucket of an S3 server is reached. What is not said is in the environment, under the names of the AWS tools.
#[derive(Debug, Default)]
pub struct S3Access {
    /// The server, where it is not Amazon's: `https://s3.example.org`.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The id of the access key, and its secret.
    pub key: Option<(String, String)>,
    /// Whether the server may be spoken to without TLS.
    pub allow_http: bool,
}

impl S3Access {
    /// The objects below `s3://bucket/prefix`. With `retries` the store asks again by itself what a server has refused;
    /// [`crate::Files`] does that better for what it reads.
    ///
    /// # Errors
    /// When the URL is not one of a bucket, or this and the environment contradict each other.
    pub fn open(&self, url: &str, retries: bool) -> object_store::Result<Arc<dyn ObjectStore>> {
        let Some(("s3" | "s3a", rest)) = url.split_once("://") else {
            return Err(unusable(format!("{url:?} is no bucket; say s3://bucket or s3://bucket/prefix")));
        };
        let option = AmazonS3ConfigKey::Client;
        let mut builder = AmazonS3Builder::from_env()
            .with_url(url)
            .with_config(option(ClientConfigKey::Timeout), format!("{} s", TIMEOUT.as_secs()))
            .with_config(option(ClientConfigKey::ConnectTimeout), format!("{} s", CONNECT.as_secs()));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret)) = &self.key {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        if self.allow_http {
            builder = builder.with_allow_http(true);
        }
        let store = builder.with_retry(if retries { RetryConfig::default() } else { none() }).build()?;
        let prefix = Path::parse(rest.split_once('/').map_or("", |(_, key)| key))?;
        Ok(if prefix.as_ref().is_empty() { Arc::new(store) } else { Arc::new(PrefixStore::new(store, prefix)) })
    }
}

/// What a URL leads to; nothing for what is no URL.
pub(super) fn parse(location: &str) -> object_store::Result<Option<Way>> {
    let Some((scheme, rest)) = location.split_once("://") else { return Ok(None) };
    match scheme {
        "s3" | "s3a" => {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let store = S3Access::default().open(&format!("s3://{bucket}"), false)?;
            Ok(Some(Way::Store(store, Path::parse(key)?)))
        }
        "http" | "https" => Ok(Some(Way::Web(WebFile::new(url::Url::parse(location).map_err(unusable)?)?))),
        _ => Ok(None),
    }
}

/// Words in the query of a URL that is signed, in lower case.
const SECRETS: [&str; 5] = ["signature", "sig=", "token", "credential", "key="];

/// A location as it may be shown and kept: without a query that holds a secret.
pub(crate) fn public(location: &str) -> &str {
    match location.split_once('?') {
        Some((path, query)) if location.contains("://") => {
            let query = query.to_ascii_lowercase();
            if SECRETS.iter().any(|word| query.contains(word)) { path } else { location }
        }
        _ => location,
    }
}

/// [`super::stored`] makes attempts of its own. The library would go on in the middle of an answer that broke off, and takes what
/// comes then without looking at its range.
fn none() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn unusable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "URL", source: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_not_shown() {
        let signed = "https://host.org/a/b.h5?X-Amz-Expires=60&X-Amz-Signature=secret";
        assert_eq!(public(signed), "https://host.org/a/b.h5");
        for open in ["https://host.org/data?ID=ivo://x/y", "s3://bucket/a.h5", "/tmp/a?signature.h5"] {
            assert_eq!(public(open), open);
        }
    }
}
