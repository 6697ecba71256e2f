//! The ids of selections: signed for one client and for a time.

use chrono::{DateTime, Utc};
use spolia_catalogue::SigningKey;

use super::seconds;
use crate::link::{LinkError, MAC_BYTES, mac, signed, verified};

/// Bytes of a selection's name.
const NAME_BYTES: usize = 9;
/// Where parts of an id begin: key version, end, kind, number of rows, name, signature.
const UNTIL: usize = 2;
const KIND: usize = 6;
const COUNT: usize = 7;
const NAME: usize = 11;
const SELECTION_BYTES: usize = NAME + NAME_BYTES + MAC_BYTES;

/// What follows from the rows of a selection, and from whom it is for.
pub(super) type Name = [u8; NAME_BYTES];

/// Where the rows of a selection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are kept together, under the selection's name.
    Kept = 0,
    /// They are the first ones of the client's basket.
    Basket = 1,
}

/// What stands for many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectionId {
    until: u32,
    kind: Kind,
    count: u32,
    name: Name,
}

impl SelectionId {
    pub(super) fn new(kind: Kind, count: usize, name: Name, until: DateTime<Utc>) -> Self {
        Self { until: seconds(until), kind, count: u32::try_from(count).unwrap_or(u32::MAX), name }
    }

    /// How many rows it stands for.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// When it ends.
    pub fn until(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.until.into(), 0).unwrap_or_default()
    }

    /// Whether it stands for rows that were opened one after the other.
    pub fn is_basket(&self) -> bool {
        self.kind == Kind::Basket
    }

    pub(super) fn is_over(&self, now: DateTime<Utc>) -> bool {
        seconds(now) >= self.until
    }

    pub(super) fn name(&self) -> Name {
        self.name
    }

    /// The signed text, which holds for this bearer only.
    pub(crate) fn sign(self, bearer: &Bearer<'_>, key: &SigningKey) -> String {
        let mut bytes = [0; SELECTION_BYTES];
        bytes[UNTIL..KIND].copy_from_slice(&self.until.to_be_bytes());
        bytes[KIND] = self.kind as u8;
        bytes[COUNT..NAME].copy_from_slice(&self.count.to_be_bytes());
        bytes[NAME..NAME + NAME_BYTES].copy_from_slice(&self.name);
        signed(bytes, &bearer.context(), key)
    }

    /// Reads an id that this site has signed for this bearer.
    pub(crate) fn verify(text: &str, bearer: &Bearer<'_>, keys: &[SigningKey]) -> Result<Self, LinkError> {
        let bytes: [u8; SELECTION_BYTES] = verified(text, &bearer.context(), keys)?;
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let kind = if bytes[KIND] == Kind::Basket as u8 { Kind::Basket } else { Kind::Kept };
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(&bytes[NAME..NAME + NAME_BYTES]);
        Ok(Self { until: number(UNTIL), kind, count: number(COUNT), name })
    }
}

/// Whom an id is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearer<'a> {
    /// The client id that goes from answer to answer.
    pub client: &'a str,
    /// The name, of those who have shown one.
    pub owner: Option<&'a str>,
}

impl Bearer<'_> {
    fn context(&self) -> Vec<u8> {
        format!("selection\0{}\0{}", self.client, self.owner.unwrap_or_default()).into_bytes()
    }

    /// The name of what is kept for this bearer: another one's copy of the same rows has another name.
    pub(super) fn name(&self, packed: &[u8], key: &SigningKey) -> Name {
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(&mac(key, &[&self.context()[..], b"\0", packed].concat())[..NAME_BYTES]);
        name
    }

    /// The name of this bearer's basket.
    pub(super) fn basket(&self, key: &SigningKey) -> String {
        format!("basket{}", hexadecimal(&mac(key, &[b"basket\0", &self.context()[..]].concat())))
    }
}

/// The name of a selection in its store.
pub(super) fn store_name(name: Name) -> String {
    format!("selection{}", hexadecimal(&name))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: i32) -> SigningKey {
        SigningKey { version, secret: vec![version as u8; 32], created: Default::default() }
    }

    const ADA: Bearer<'_> = Bearer { client: "c1", owner: Some("ada") };

    #[test]
    fn an_id_comes_back_and_a_changed_one_does_not() {
        let until = DateTime::from_timestamp(2_000_000_000, 0).unwrap();
        let id = SelectionId::new(Kind::Basket, 5, [7; NAME_BYTES], until);
        let text = id.sign(&ADA, &key(2));
        assert_eq!(text.len(), 48);
        assert_eq!(SelectionId::verify(&text, &ADA, &[key(3), key(2)]), Ok(id));
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(changed) else { continue };
                assert!(SelectionId::verify(&changed, &ADA, &[key(3), key(2)]).is_err(), "letter {at}, bit {bit}");
            }
            assert!(SelectionId::verify(&text[..at], &ADA, &[key(2)]).is_err(), "{at} letters");
        }
    }

    #[test]
    fn an_id_is_one_client_s_and_one_owner_s() {
        let id = SelectionId::new(Kind::Kept, 5, [7; NAME_BYTES], Utc::now());
        let text = id.sign(&ADA, &key(1));
        let others =
            [Bearer { client: "c2", ..ADA }, Bearer { owner: None, ..ADA }, Bearer { owner: Some("bob"), ..ADA }];
        for other in others {
            assert_eq!(SelectionId::verify(&text, &other, &[key(1)]), Err(LinkError::Forged), "{other:?}");
            assert_ne!(ADA.name(b"rows", &key(1)), other.name(b"rows", &key(1)));
            assert_ne!(ADA.basket(&key(1)), other.basket(&key(1)));
        }
        assert_eq!(SelectionId::verify(&text, &ADA, &[key(2)]), Err(LinkError::Forged));
    }
}
