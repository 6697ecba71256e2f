//! VOTable: writing 1.4, the document around the rows and its serializations; reading 1.0 to 1.5 ([`read`]).

mod binary;
mod document;
mod read;
mod tabledata;
pub(crate) mod xml;

pub(crate) use binary::Binary;
pub(crate) use document::{Document, error_info};
pub use read::{DescribedTable, VotableError, read_vosi_table, read_votable};
pub(crate) use tabledata::Tabledata;

/// The DALI error document: a VOTable whose `QUERY_STATUS` is `ERROR` with the message. DALI 1.1 section 4.4.
#[must_use]
pub fn error_votable(message: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + message.len());
    document::open(&mut out);
    error_info(message, &mut out);
    out.extend_from_slice(b"</RESOURCE>\n</VOTABLE>\n");
    out
}
