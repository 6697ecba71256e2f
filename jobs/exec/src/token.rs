//! Tokens: who holds one is known by its name. The file of a site has their hashes only.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::NaiveDate;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::principal::Principal;

/// Random bytes of a token: as hard to guess as a key, so that one round of hashing hides it.
const SECRET_BYTES: usize = 32;
/// Bytes of a tokens file at most.
const FILE_BYTES: u64 = 16 << 20;

/// What someone shows to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name that goes with the secret, where one was given.
    pub name: Option<String>,
    /// The secret.
    pub secret: String,
}

/// Whoever can tell who it is that shows credentials.
pub trait Authenticator: Send + Sync {
    /// Who that is; nothing where the credentials are wrong or no longer hold.
    ///
    /// # Errors
    /// [`TokenError`] when it cannot be told.
    fn authenticate<'a>(&'a self, shown: &'a Credentials) -> BoxFuture<'a, Result<Option<Principal>, TokenError>>;
}

/// The tokens file that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read or written.
    #[error("cannot {act} the tokens file {path}")]
    File {
        /// What was being done.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not of the form that a tokens file has.
    #[error("the tokens file {path} cannot be understood: {message}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A token of that name is there already.
    #[error("there is a token named {0:?} already; revoke it first")]
    Taken(String),
    /// No token of that name is there.
    #[error("there is no token named {0:?}")]
    Unknown(String),
    /// A name that cannot be one.
    #[error("{0:?} cannot be a name here: letters, digits and @._- only, 64 at most")]
    Name(String),
}

/// A token as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose it is.
    pub name: String,
    /// The SHA-256 of the token, in hexadecimal digits.
    pub sha256: String,
    /// The groups that its holder is in.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The last day on which it holds (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<NaiveDate>,
}

/// What a tokens file holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(default)]
    token: Vec<Token>,
}

/// The tokens of a site. The file is read again when it has changed, so that a token holds, or no longer holds, at once.
#[derive(Debug, Clone)]
pub struct Tokens {
    path: Arc<PathBuf>,
    held: Arc<Mutex<Option<Held>>>,
}

/// What was read of a tokens file, and of which time that was.
#[derive(Debug)]
struct Held {
    written: SystemTime,
    tokens: Arc<Vec<Token>>,
}

impl Tokens {
    /// The tokens in a file, which need not be there: then there are none.
    pub fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), held: Arc::default() }
    }

    /// All tokens.
    ///
    /// # Errors
    /// [`TokenError`] when the file cannot be read.
    pub fn all(&self) -> Result<Arc<Vec<Token>>, TokenError> {
        let changed = match std::fs::metadata(self.path.as_path()) {
            Ok(file) if file.len() > FILE_BYTES => {
                return Err(self.form(format!("it has more than {FILE_BYTES} bytes")));
            }
            Ok(file) => file.modified().map_err(self.failed("read"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(self.failed("read")(error)),
        };
        let mut held = self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(held) = held.as_ref().filter(|held| held.written == changed) {
            return Ok(Arc::clone(&held.tokens));
        }
        let text = std::fs::read_to_string(self.path.as_path()).map_err(self.failed("read"))?;
        let file: TokensFile = toml::from_str(&text).map_err(|error| self.form(error.to_string()))?;
        let tokens = Arc::new(file.token);
        *held = Some(Held { written: changed, tokens: Arc::clone(&tokens) });
        Ok(tokens)
    }

    /// Makes a token for `name`, and returns it: it is not kept, only its hash is.
    ///
    /// # Errors
    /// [`TokenError`] when the name is taken or none, or the file cannot be written.
    pub fn add(&self, name: &str, groups: BTreeSet<String>, expires: Option<NaiveDate>) -> Result<String, TokenError> {
        [name].into_iter().chain(groups.iter().map(String::as_str)).try_for_each(check_name)?;
        let mut tokens = self.all()?.to_vec();
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Taken(name.to_owned()));
        }
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>());
        tokens.push(Token { name: name.to_owned(), sha256: hash(&secret), groups, expires });
        self.write(tokens)?;
        Ok(secret)
    }

    /// Makes a token worthless.
    ///
    /// # Errors
    /// [`TokenError`] when there is none of that name, or the file cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let mut tokens = self.all()?.to_vec();
        let before = tokens.len();
        tokens.retain(|token| token.name != name);
        match tokens.len() == before {
            true => Err(TokenError::Unknown(name.to_owned())),
            false => self.write(tokens),
        }
    }

    fn write(&self, token: Vec<Token>) -> Result<(), TokenError> {
        let text = toml::to_string(&TokensFile { token }).map_err(|error| self.form(error.to_string()))?;
        let part = self.path.with_extension("part");
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, self.path.as_path()))
            .map_err(self.failed("write"))?;
        *self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        Ok(())
    }

    fn failed(&self, act: &'static str) -> impl Fn(std::io::Error) -> TokenError {
        let path = self.path.to_path_buf();
        move |source| TokenError::File { act, path: path.clone(), source }
    }

    fn form(&self, message: String) -> TokenError {
        TokenError::Form { path: self.path.to_path_buf(), message }
    }

    fn holder(&self, shown: &Credentials) -> Result<Option<Principal>, TokenError> {
        let (hash, today) = (hash(&shown.secret), chrono::Utc::now().date_naive());
        let fits = |token: &&Token| {
            token.sha256.eq_ignore_ascii_case(&hash)
                && shown.name.as_ref().is_none_or(|name| *name == token.name)
                && token.expires.is_none_or(|last| today <= last)
        };
        let tokens = self.all()?;
        Ok(tokens.iter().find(fits).map(|token| Principal::named(&token.name, token.groups.iter().cloned())))
    }
}

impl Authenticator for Tokens {
    fn authenticate<'a>(&'a self, shown: &'a Credentials) -> BoxFuture<'a, Result<Option<Principal>, TokenError>> {
        Box::pin(async { self.holder(shown) })
    }
}

fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_name(name: &str) -> Result<(), TokenError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
    match (1..=64).contains(&name.len()) && name.chars().all(plain) && name != "anonymous" {
        true => Ok(()),
        false => Err(TokenError::Name(name.chars().take(80).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: Option<&str>, secret: &str) -> Credentials {
        Credentials { name: name.map(str::to_owned), secret: secret.to_owned() }
    }

    #[test]
    fn a_token_is_known_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let tokens = Tokens::new(path.clone());
        assert_eq!(tokens.holder(&shown(None, "x")).unwrap(), None, "no file, no tokens");
        let secret = tokens.add("ada", ["dpct".to_owned()].into(), None).unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&secret));
        let known = Some(Principal::named("ada", ["dpct".to_owned()]));
        assert_eq!(tokens.holder(&shown(None, &secret)).unwrap(), known);
        assert_eq!(tokens.holder(&shown(Some("ada"), &secret)).unwrap(), known);
        assert_eq!(tokens.holder(&shown(Some("bob"), &secret)).unwrap(), None);
        assert_eq!(tokens.holder(&shown(None, &secret[1..])).unwrap(), None);
        assert!(matches!(tokens.add("ada", BTreeSet::new(), None), Err(TokenError::Taken(_))));
        tokens.revoke("ada").unwrap();
        assert_eq!(tokens.holder(&shown(None, &secret)).unwrap(), None);
        assert!(matches!(tokens.revoke("ada"), Err(TokenError::Unknown(_))));
    }

    #[test]
    fn a_token_holds_until_its_last_day() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(folder.path().join("tokens.toml"));
        let day = |days| Some(chrono::Utc::now().date_naive() + chrono::Duration::days(days));
        let (old, new) =
            (tokens.add("old", BTreeSet::new(), day(-1)).unwrap(), tokens.add("new", BTreeSet::new(), day(1)).unwrap());
        assert_eq!(tokens.holder(&shown(None, &old)).unwrap(), None);
        assert!(tokens.holder(&shown(None, &new)).unwrap().is_some());
    }

    #[test]
    fn names_and_files_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let tokens = Tokens::new(path.clone());
        for name in ["", "a b", "anonymous", "a\nb", &"x".repeat(65)] {
            assert!(matches!(tokens.add(name, BTreeSet::new(), None), Err(TokenError::Name(_))), "{name:?}");
        }
        std::fs::write(&path, "[[token]]\nname = 3").unwrap();
        let error = tokens.all().unwrap_err().to_string();
        assert!(error.contains("tokens.toml") && error.contains("cannot be understood"), "{error}");
    }
}
