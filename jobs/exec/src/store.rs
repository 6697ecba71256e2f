//! Where the archived files lie: a folder, or a bucket of an S3 server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};
use spolia_cutout::{Files, S3Access};

use crate::error::ExecError;

/// Where the archived files lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// A folder, relative to the site's; not used where there is a URL.
    pub root: PathBuf,
    /// A bucket, as `s3://bucket` or `s3://bucket/prefix`. What is not said of it here is in the environment, under the names of
    /// the AWS tools (`AWS_ACCESS_KEY_ID` and so on).
    pub url: String,
    /// Its server, where it is not Amazon's.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The id of the key to it.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: Secret,
    /// Whether its server may be spoken to without TLS.
    pub allow_http: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            root: PathBuf::from("objects"),
            url: String::new(),
            endpoint: String::new(),
            region: String::new(),
            access_key_id: String::new(),
            secret_access_key: Secret::default(),
            allow_http: false,
        }
    }
}

/// The key to a store, for those who read its files elsewhere. It is written where only its owner can read it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoreKey {
    access_key_id: String,
    secret_access_key: String,
}

/// A text that is read, and never shown or written.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, for whom it is meant.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "***" }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

/// The archived files, for those who read them whole and for cuts.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) files: Arc<Files>,
    /// Whether it is a server's, whose ETags tell versions of an object apart.
    pub(crate) is_remote: bool,
}

impl Store {
    /// Opens the store of the site in a folder, for cuts that take so many mebibytes of memory.
    pub(crate) fn open(settings: &StoreSettings, site: &Path, memory_mib: u64) -> Result<Self, ExecError> {
        let within = |files: Files| files.within_memory(memory_mib.saturating_mul(1 << 20)).map(Arc::new);
        if settings.url.is_empty() {
            let root = site.join(&settings.root);
            let objects = folder(&root).map_err(failed(&root.display().to_string()))?;
            return Ok(Self { objects, files: within(Files::folder(&root))?, is_remote: false });
        }
        let access = settings.access();
        let opened = |retries| access.open(&settings.url, retries).map_err(failed(&settings.url));
        Ok(Self { objects: opened(true)?, files: within(Files::store(opened(false)?)?)?, is_remote: true })
    }
}

impl StoreSettings {
    /// The key to it, from here or from the environment; nothing for a folder.
    pub(crate) fn key(&self) -> Option<StoreKey> {
        let own = (self.access_key_id.clone(), self.secret_access_key.0.clone());
        let known = |name: &str| std::env::var(name).ok();
        let from_environment = || Some((known("AWS_ACCESS_KEY_ID")?, known("AWS_SECRET_ACCESS_KEY")?));
        let key = if own.0.is_empty() { from_environment() } else { Some(own) };
        let key = key.filter(|_| !self.url.is_empty());
        key.map(|(access_key_id, secret_access_key)| StoreKey { access_key_id, secret_access_key })
    }

    /// The same, opened by a key.
    pub(crate) fn with(mut self, key: Option<StoreKey>) -> Self {
        if let Some(key) = key {
            (self.access_key_id, self.secret_access_key) = (key.access_key_id, Secret(key.secret_access_key));
        }
        self
    }

    fn access(&self) -> S3Access {
        let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        S3Access {
            endpoint: said(&self.endpoint),
            region: said(&self.region),
            key: said(&self.access_key_id).map(|id| (id, self.secret_access_key.0.clone())),
            allow_http: self.allow_http,
        }
    }
}

fn folder(root: &Path) -> object_store::Result<Arc<dyn ObjectStore>> {
    let made = std::fs::create_dir_all(root);
    made.map_err(|source| object_store::Error::Generic { store: "folder", source: source.into() })?;
    Ok(Arc::new(LocalFileSystem::new_with_prefix(root)?))
}

fn failed(place: &str) -> impl Fn(object_store::Error) -> ExecError {
    let place = place.to_owned();
    move |source| ExecError::Store { place: place.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_never_shown() {
        let settings: StoreSettings =
            serde_json::from_str(r#"{"url": "s3://stars", "secret_access_key": "lovelace"}"#).unwrap();
        assert_eq!(settings.secret_access_key.0, "lovelace");
        assert!(!format!("{settings:?}").contains("lovelace"));
        assert!(serde_json::to_string(&settings).unwrap().contains(r#""secret_access_key":"***""#));
    }
}
