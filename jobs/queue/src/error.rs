//! What can go wrong with jobs.

use spolia_catalogue::CatalogueError;

use crate::phase::ExecutionPhase;

/// An act on the job table that failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No connection to the control node.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A statement failed.
    #[error("the job table failed to {act}")]
    Statement {
        /// What was being done.
        act: &'static str,
        /// PostgreSQL's answer.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A stored document has another shape than this version writes.
    #[error("job {job_id} is damaged: its {what} cannot be read")]
    Document {
        /// The job.
        job_id: String,
        /// Which document.
        what: &'static str,
        /// How it failed to parse.
        #[source]
        source: serde_json::Error,
    },
    /// There is no such job, or there is none any more, or not for whoever asks.
    #[error(
        "there is no job {0}: it may have been deleted, its time may be over, or it is for somebody else: say who you are"
    )]
    NotFound(String),
    /// The job's phase does not allow it.
    #[error("job {job_id} is {phase}: {refusal}")]
    Phase {
        /// The job.
        job_id: String,
        /// Its phase.
        phase: ExecutionPhase,
        /// What cannot be done in that phase.
        refusal: &'static str,
    },
    /// The owner has as many jobs as one may have.
    #[error("{owner} may have {most} {what}; wait for one to end, or delete one")]
    Quota {
        /// The owner, `anonymous` for those without a name.
        owner: String,
        /// The bound.
        most: u32,
        /// Of what.
        what: &'static str,
    },
}

/// Names the act beside PostgreSQL's own answer.
pub(crate) trait Act<T> {
    fn act(self, act: &'static str) -> Result<T, QueueError>;
}

impl<T> Act<T> for Result<T, tokio_postgres::Error> {
    fn act(self, act: &'static str) -> Result<T, QueueError> {
        self.map_err(|source| QueueError::Statement { act, source })
    }
}
