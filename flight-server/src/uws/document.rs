//! Jobs as XML. UWS 1.1 section 2.2.2 and appendix B.

use std::io;

use axum::body::Body;
use axum::http::Response;
use chrono::{DateTime, Utc};
use quick_xml::events::BytesText;
use spolia_queue::{Attempt, Job};

use super::Desk;
use super::time::written;
use crate::fault::Fault;
use crate::xml::{self, Xml};

/// What the first element of a document declares.
const NAMESPACES: [(&str, &str); 3] = [
    ("xmlns:uws", "http://www.ivoa.net/xml/UWS/v1.0"),
    ("xmlns:xlink", "http://www.w3.org/1999/xlink"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// The list of jobs.
pub(super) fn list(desk: &Desk, jobs: &[Job]) -> Result<Response<Body>, Fault> {
    xml::respond(|xml| {
        let element = xml.create_element("uws:jobs").with_attributes(NAMESPACES).with_attribute(("version", "1.1"));
        element.write_inner_content(|xml| jobs.iter().try_for_each(|job| reference(xml, desk, job)))?;
        Ok(())
    })
}

fn reference(xml: &mut Xml, desk: &Desk, job: &Job) -> io::Result<()> {
    let href = desk.address(&format!("/{}", job.job_id));
    let attributes = [("id", job.job_id.as_str()), ("xlink:href", href.as_str())];
    xml.create_element("uws:jobref").with_attributes(attributes).write_inner_content(|xml| {
        xml::text(xml, "uws:phase", job.phase.name())?;
        xml::optional(xml, "uws:runId", job.run_id.as_deref())?;
        or_nil(xml, "uws:ownerId", job.owner.as_deref())?;
        xml::text(xml, "uws:creationTime", &written(job.created))
    })?;
    Ok(())
}

/// A job, with the attempts of a scheduler at it.
pub(super) fn job(desk: &Desk, job: &Job, attempts: &[Attempt]) -> Result<Response<Body>, Fault> {
    xml::respond(|xml| {
        let element = xml.create_element("uws:job").with_attributes(NAMESPACES).with_attribute(("version", "1.1"));
        element.write_inner_content(|xml| summary(xml, desk, job, attempts))?;
        Ok(())
    })
}

fn summary(xml: &mut Xml, desk: &Desk, job: &Job, attempts: &[Attempt]) -> io::Result<()> {
    xml::text(xml, "uws:jobId", &job.job_id)?;
    xml::optional(xml, "uws:runId", job.run_id.as_deref())?;
    or_nil(xml, "uws:ownerId", job.owner.as_deref())?;
    xml::text(xml, "uws:phase", job.phase.name())?;
    or_nil(xml, "uws:quote", None)?;
    xml::text(xml, "uws:creationTime", &written(job.created))?;
    time_or_nil(xml, "uws:startTime", job.started)?;
    time_or_nil(xml, "uws:endTime", job.ended)?;
    xml::text(xml, "uws:executionDuration", &job.execution_duration_s.to_string())?;
    xml::text(xml, "uws:destruction", &written(job.destruction))?;
    xml.create_element("uws:parameters").write_inner_content(|xml| parameter_elements(xml, job))?;
    xml.create_element("uws:results").write_inner_content(|xml| result_elements(xml, desk, job))?;
    if let Some(error) = &job.error {
        let kind = if error.transient { "transient" } else { "fatal" };
        xml.create_element("uws:errorSummary")
            .with_attributes([("type", kind), ("hasDetail", "true")])
            .write_inner_content(|xml| xml::text(xml, "uws:message", &error.message))?;
    }
    job_info(xml, job, attempts.last())
}

/// What formats without a place for it cannot tell of a result, and what a scheduler makes of the job.
fn job_info(xml: &mut Xml, job: &Job, attempt: Option<&Attempt>) -> io::Result<()> {
    let result = job.results.first();
    if result.is_none() && attempt.is_none() && job.told.is_none() {
        return Ok(());
    }
    let part = job.progress.map(|part| format!("{part:.3}"));
    xml.create_element("uws:jobInfo").write_inner_content(|xml| {
        if let Some(result) = result {
            xml::optional(xml, "rows", result.rows.map(|rows| rows.to_string()).as_deref())?;
            xml::optional(xml, "overflow", result.overflow.map(|overflow| overflow.to_string()).as_deref())?;
            result.notes.iter().try_for_each(|(name, note)| xml::text(xml, name, note))?;
        }
        xml::optional(xml, "progress", part.as_deref())?;
        xml::optional(xml, "told", job.told.as_deref())?;
        let Some(attempt) = attempt else { return Ok(()) };
        xml::text(xml, "scheduler", &attempt.scheduler)?;
        xml::text(xml, "attempt", &attempt.number.to_string())?;
        xml::optional(xml, "schedulerJob", attempt.external_id.as_deref())?;
        xml::text(xml, "schedulerState", attempt.raw.as_deref().unwrap_or(attempt.state.name()))
    })?;
    Ok(())
}

/// The parameters of a job.
pub(super) fn parameters(job: &Job) -> Result<Response<Body>, Fault> {
    xml::respond(|xml| {
        let element = xml.create_element("uws:parameters").with_attributes(NAMESPACES);
        element.write_inner_content(|xml| parameter_elements(xml, job))?;
        Ok(())
    })
}

fn parameter_elements(xml: &mut Xml, job: &Job) -> io::Result<()> {
    job.spec.inputs().parameters.iter().try_for_each(|(name, value)| {
        let element = xml.create_element("uws:parameter").with_attribute(("id", name.as_str()));
        element.write_text_content(BytesText::new(&xml::allowed(value)))?;
        Ok(())
    })
}

/// The results of a job.
pub(super) fn results(desk: &Desk, job: &Job) -> Result<Response<Body>, Fault> {
    xml::respond(|xml| {
        let element = xml.create_element("uws:results").with_attributes(NAMESPACES);
        element.write_inner_content(|xml| result_elements(xml, desk, job))?;
        Ok(())
    })
}

fn result_elements(xml: &mut Xml, desk: &Desk, job: &Job) -> io::Result<()> {
    job.results.iter().try_for_each(|result| {
        let href = desk.address(&format!("/{}/results/{}", job.job_id, result.id));
        let (size, mime) = (result.size.to_string(), result.content_type.as_str());
        let attributes = [("id", result.id.as_str()), ("xlink:href", &href), ("size", &size), ("mime-type", mime)];
        xml.create_element("uws:result").with_attributes(attributes).write_empty()?;
        Ok(())
    })
}

fn or_nil(xml: &mut Xml, name: &str, text: Option<&str>) -> io::Result<()> {
    match text {
        Some(text) => xml::text(xml, name, text),
        None => {
            xml.create_element(name).with_attribute(("xsi:nil", "true")).write_empty()?;
            Ok(())
        }
    }
}

fn time_or_nil(xml: &mut Xml, name: &str, time: Option<DateTime<Utc>>) -> io::Result<()> {
    or_nil(xml, name, time.map(written).as_deref())
}
