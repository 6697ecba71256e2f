//! The doors of the archive: the only crate that answers with HTTP and gRPC codes.
//!
//! HTTP on one port: TAP 1.1 with VOSI and DALI under `/tap`, DataLink 1.1 and Cut & Merge under `/datalink`, whole files
//! under `/api/files`, registry records under `/oai`, a page for people, `/healthz` and `/metrics`. Flight SQL on a second port. What is asked is done by
//! [`spolia_exec::Archive`]; here it is bounded ([`ServerSettings`]), streamed, logged and given a status.
//!
//! | door | answer | where it can fail late |
//! |---|---|---|
//! | `/tap/sync`, `/datalink/transits`, `/datalink/sources` | rows as they come | told in the document, or the transfer breaks |
//! | `/datalink/gaiamerger` | a file made first, then sent, with ranges | never after the first byte |
//! | `/tap/async` | jobs (UWS 1.1), whose results are made first, then sent, with ranges | never after the first byte |
//! | `/api/files` | a file of the object store, with ranges | the transfer breaks |
//! | Flight SQL | record batches as they come | status of the call |
//!
//! CSV and its like cannot tell that MAXREC cut them off, or that the query failed. Up to 64 MB of them are held back, so that the header
//! `X-Spolia-Overflow` tells the one and the status the other; of longer ones the transfer breaks when the query fails.

mod answer;
mod datalink;
mod delivery;
mod door;
mod error;
mod fault;
mod files;
mod flight;
mod gate;
mod health;
mod jobs;
mod metrics;
mod outgoing;
mod page;
mod parameters;
mod pump;
mod range;
mod record;
mod registry;
mod server;
mod service;
mod settings;
mod submission;
mod table_decoder;
mod tap;
mod turns;
mod uws;
mod visitor;
mod writer;
mod xml;

pub use error::ServerError;
pub use registry::{CollectionRecordSettings, RegistrySettings};
pub use server::Server;
pub use settings::ServerSettings;
pub use table_decoder::TableDecoder;
