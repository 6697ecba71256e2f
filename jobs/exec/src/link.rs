//! Link ids: a row's key and its epoch, signed, so that nothing needs to be remembered for a link to work.
//!
//! A link is proof against forgery, not a permission: whoever serves it asks the collection's access rules again.

use std::any::Any;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datafusion::arrow::array::{AsArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{Result as DataFusionResult, config_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use spolia_catalogue::SigningKey;

/// Bytes of the signature kept: 128 bits.
pub(crate) const MAC_BYTES: usize = 16;
/// Key version (2), epoch (4), row id (8), signature.
const LINK_BYTES: usize = 2 + 4 + 8 + MAC_BYTES;
/// Letters of an id that are looked at; any id is shorter.
const LONGEST_ID: usize = 64;
/// The function that makes a row's `access_url` out of its id.
pub(crate) const ACCESS_URL: &str = "spolia_access_url";

/// A link id that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It is not of a link id's form.
    #[error("{0:?} is not a link id; take it from a row's access_url")]
    Malformed(String),
    /// Its signature is not this site's.
    #[error("this link id was not made by this archive for whoever asks, or has been changed")]
    Forged,
    /// It stands for rows that are no longer kept.
    #[error("these rows are no longer kept together; select them again")]
    Over,
}

/// The row a link id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowLink {
    /// The epoch the row was seen in.
    pub epoch: i64,
    /// The row's id.
    pub id: i64,
}

impl RowLink {
    /// The signed link id.
    pub(crate) fn sign(self, key: &SigningKey) -> String {
        let mut bytes = [0u8; LINK_BYTES];
        bytes[2..6].copy_from_slice(&(self.epoch as u32).to_be_bytes());
        bytes[6..14].copy_from_slice(&self.id.to_be_bytes());
        signed(bytes, &[], key)
    }

    /// Reads a link id and checks that this site signed it.
    pub(crate) fn verify(text: &str, keys: &[SigningKey]) -> Result<Self, LinkError> {
        let bytes: [u8; LINK_BYTES] = verified(text, &[], keys)?;
        let epoch = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        let mut id = [0; 8];
        id.copy_from_slice(&bytes[6..14]);
        Ok(Self { epoch: i64::from(epoch), id: i64::from_be_bytes(id) })
    }
}

/// The text of an id: the key's version goes into its first two bytes, the signature, of these bytes and their context, into the last.
pub(crate) fn signed<const N: usize>(mut bytes: [u8; N], context: &[u8], key: &SigningKey) -> String {
    bytes[..2].copy_from_slice(&(key.version as u16).to_be_bytes());
    let mac = mac(key, &[&bytes[..N - MAC_BYTES], context].concat());
    bytes[N - MAC_BYTES..].copy_from_slice(&mac);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of an id that was signed in this context.
pub(crate) fn verified<const N: usize>(text: &str, context: &[u8], keys: &[SigningKey]) -> Result<[u8; N], LinkError> {
    let decoded = URL_SAFE_NO_PAD.decode(text.get(..LONGEST_ID).unwrap_or(text)).ok();
    let bytes: Option<[u8; N]> = decoded.and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| LinkError::Malformed(text.chars().take(80).collect()))?;
    let version = i32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let key = keys.iter().find(|key| key.version == version).ok_or(LinkError::Forged)?;
    let (message, signature) = bytes.split_at(N - MAC_BYTES);
    // A comparison that takes the same time wherever the difference is.
    let expected = mac(key, &[message, context].concat());
    let differs = expected.iter().zip(signature).fold(0, |differs, (a, b)| differs | (a ^ b));
    if differs == 0 { Ok(bytes) } else { Err(LinkError::Forged) }
}

pub(crate) fn mac(key: &SigningKey, message: &[u8]) -> [u8; MAC_BYTES] {
    let mut short = [0; MAC_BYTES];
    // HMAC takes keys of any length, so this never fails.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.secret) {
        mac.update(message);
        short.copy_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
    }
    short
}

/// What the links of one answer have in common: an option of the session that makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LinkBase {
    /// Where the service is reached: `http://localhost:3000`, without a slash at the end.
    pub base_url: String,
    /// Who asked, as far as links tell: one id for all links of an answer.
    pub client_id: String,
}

impl ConfigExtension for LinkBase {
    const PREFIX: &'static str = "links";
}

// An option that comes as it is, and is not set by a name.
impl ExtensionOptions for LinkBase {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> DataFusionResult<()> {
        config_err!("links have no option {key} that could be set")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// The function from a row's id to its `access_url`, under the [`LinkBase`] of the session.
pub(crate) fn access_url(epoch: i64, key: SigningKey) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Int64], Volatility::Stable);
    ScalarUDF::new_from_impl(AccessUrl { epoch, key: Arc::new(Key(key)), signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AccessUrl {
    epoch: i64,
    key: Arc<Key>,
    signature: Signature,
}

/// A key, told from others by its version alone.
#[derive(Debug)]
struct Key(SigningKey);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.version == other.0.version
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.version.hash(state);
    }
}

impl ScalarUDFImpl for AccessUrl {
    fn name(&self) -> &str {
        ACCESS_URL
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let ids = arrays[0].as_primitive::<Int64Type>();
        let base = args.config_options.extensions.get::<LinkBase>().cloned().unwrap_or_default();
        let (head, tail) = (format!("{}/datalink?id=", base.base_url), format!("&clientId={}", base.client_id));
        let mut urls = StringBuilder::with_capacity(ids.len(), ids.len() * (head.len() + 40 + tail.len()));
        for id in ids {
            match id {
                Some(id) => {
                    urls.append_value(format!("{head}{}{tail}", RowLink { epoch: self.epoch, id }.sign(&self.key.0)))
                }
                None => urls.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(urls.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: i32) -> SigningKey {
        SigningKey { version, secret: vec![version as u8; 32], created: Default::default() }
    }

    #[test]
    fn a_link_comes_back_and_a_changed_one_does_not() {
        let link = RowLink { epoch: 7, id: (5 << 32) + 369 };
        let text = link.sign(&key(2));
        assert_eq!(text.len(), 40);
        assert_eq!(RowLink::verify(&text, &[key(3), key(2)]), Ok(link));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(RowLink::verify(std::str::from_utf8(&changed).unwrap(), &[key(3), key(2)]).is_err(), "letter {at}");
        }
    }

    #[test]
    fn other_keys_and_other_texts_are_refused() {
        let text = RowLink { epoch: 1, id: 1 }.sign(&key(1));
        assert_eq!(RowLink::verify(&text, &[SigningKey { secret: vec![9; 32], ..key(1) }]), Err(LinkError::Forged));
        assert_eq!(RowLink::verify(&text, &[key(2)]), Err(LinkError::Forged));
        for text in ["", "../../etc/passwd", "AAAA", &"A".repeat(10_000), "é"] {
            assert!(matches!(RowLink::verify(text, &[key(1)]), Err(LinkError::Malformed(_))), "{text:.20}");
        }
    }
}
