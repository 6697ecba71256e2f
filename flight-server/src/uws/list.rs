//! The list of jobs. UWS 1.1 section 2.2.2.1.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use spolia_queue::{ExecutionPhase, JobFilter};

use super::time::instant;
use super::{Desk, document};
use crate::fault::Fault;
use crate::parameters::Parameters;

/// The jobs of whoever asks. Those without a name get none: whoever knows a job's id may use it, so ids are not told.
pub(super) async fn list(desk: Desk, request: Request) -> Response<Body> {
    let listed = async {
        let filter = filter(&Parameters::read(request).await?)?;
        let jobs = match desk.service.archive.who().name() {
            Some(name) => desk.service.jobs.table.list(name, desk.kind.name(), &filter).await?,
            None => Vec::new(),
        };
        document::list(&desk, &jobs)
    };
    listed.await.unwrap_or_else(|fault: Fault| fault.votable())
}

fn filter(parameters: &Parameters) -> Result<JobFilter, Fault> {
    let phase = |text: &str| text.parse::<ExecutionPhase>().map_err(|error| Fault::usage(error.to_string()));
    let last = parameters.number("LAST")?;
    if last == Some(0) {
        return Err(Fault::usage("LAST is a number of jobs from 1"));
    }
    Ok(JobFilter {
        phases: parameters.all("PHASE").map(phase).collect::<Result<_, _>>()?,
        after: parameters.one("AFTER")?.map(|text| instant("AFTER", text)).transpose()?,
        last: last.map(|last| u32::try_from(last).unwrap_or(u32::MAX)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        let filter = |text: &str| filter(&Parameters::from(text));
        let read = filter("phase=queued&PHASE=EXECUTING&LAST=5&AFTER=2026-01-01").unwrap();
        assert_eq!(read.phases, [ExecutionPhase::Queued, ExecutionPhase::Executing]);
        assert!(read.last == Some(5) && read.after.is_some());
        for wrong in ["PHASE=RUNNING", "LAST=0", "LAST=-1", "AFTER=yesterday"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
