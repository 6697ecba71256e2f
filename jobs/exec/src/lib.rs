//! What a door or a job does, without HTTP and without MPI.
//!
//! An [`Archive`] is a site opened for reading: it answers ADQL with a stream of record batches, explains what it would
//! ask of which node, signs and reads link ids, and cuts and merges files. Every door and the command line use it, so that
//! the same request gives the same answer through each of them.

mod access;
mod archive;
mod cut;
mod dispatcher;
mod error;
mod explain;
mod holdings;
mod link;
mod obscore;
mod open_epoch;
mod operation_log;
mod principal;
mod query;
mod selection;
mod selections;
mod store;
mod tap_schema;
mod token;
mod upload;
mod user_table_def;
mod user_tables;
mod work;

pub use access::{AccessSettings, Act, Audience, CollectionAccess};
pub use archive::{Archive, ArchiveSettings};
pub use cut::{CutAnswer, CutRequest, CutSettings, PreparedCut};
pub use dispatcher::{Dispatcher, Handed, JOBS_FOLDER, JobSettings, MERGED};
pub use error::ExecError;
pub use explain::{Explanation, NodeAnswer, NodeExplanation, TableExplanation};
pub use holdings::Holdings;
pub use link::{LinkBase, LinkError, RowLink};
pub use operation_log::{LogSettings, Operation, OperationLog};
pub use principal::Principal;
pub use query::{QueryAnswer, QueryRequest};
pub use selection::Selection;
pub use selections::{
    MemorySelections, RedisSelections, SelectedRows, SelectionError, SelectionId, SelectionSettings, SelectionStore,
};
pub use spolia_cutout::{CutOptions, CutProgress, Growing, Outline, grow, outline};
pub use store::{Secret, StoreSettings};
pub use token::{Authenticator, Credentials, Token, TokenError, Tokens};
pub use upload::Upload;
pub use user_table_def::{column_list, indexable, user_table_def};
pub use user_tables::UserTableSettings;
pub use work::{
    Bench, Desk, Done, Failure, IngestPlan, Ledger, Line, Member, Note, Order, Plan, Progress, Reply, Report, Request,
    Way, Work, failure_in, note_failure, order_in, progress_in, read_ledger, read_log, write_log,
};
