//! The archive as a publishing registry: `/oai` tells the registries of the Virtual Observatory what there is here.
//!
//! VOResource records of the TAP service, of each collection that everybody may query, of this registry and of its naming authority, by
//! OAI-PMH 2.0 as Registry Interfaces 1.1 section 2 has it. Off until `[registry]` says `enabled = true`.
//!
//! What the records say follows from the settings and from what the archive holds. When they changed is kept in the control database, beside
//! their digests ([`spolia_catalogue::RecordHistory`]): so it is the same from all servers, and stays through restarts.

mod collection_record;
mod datestamp;
mod dublin_core;
mod form;
mod format;
mod oai;
mod own_records;
mod records;
mod refusal;
mod request;
mod resource;
mod selection;
mod settings;
mod tap_record;

pub(crate) use oai::oai;
pub(crate) use records::Registry;
pub use settings::{CollectionRecordSettings, RegistrySettings};
