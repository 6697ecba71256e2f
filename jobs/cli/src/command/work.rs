//! `spolia work`: works alone on the order in a job's folder; the local scheduler starts it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spolia_exec::{Bench, Done, note_failure, write_log};
use spolia_queue::{TO_BE_CONTINUED, note_exit};

use crate::command::serve::stop_signal;
use crate::error::CommandError;

/// Works until all is done, or it is told to end. The exit status is in the folder then.
pub async fn run(folder: &Path, attempt: u32) -> Result<(), CommandError> {
    write_log(folder, 0);
    let stopped = Arc::new(AtomicBool::new(false));
    let at_signal = Arc::clone(&stopped);
    tokio::spawn(async move {
        stop_signal().await;
        at_signal.store(true, Ordering::Relaxed);
    });
    let worked = match Bench::open(folder) {
        Ok(bench) => {
            tracing::info!(attempt, folder = %folder.display(), "begins");
            bench.work_alone(stopped).await
        }
        Err(error) => Err(error),
    };
    let (status, ended) = match worked {
        Ok(Done::Whole(_)) => (0, Ok(())),
        Ok(Done::Stopped) => {
            tracing::warn!("ended before its time; what is done stays done");
            (TO_BE_CONTINUED, Err(CommandError::Said("ended before its time; what is done stays done".to_owned())))
        }
        Err(error) => {
            tracing::error!("{}", error.message());
            note_failure(folder, &error);
            (1, Err(error.into()))
        }
    };
    note_exit(folder, attempt, status).map_err(CommandError::file("write into", folder))?;
    ended
}
