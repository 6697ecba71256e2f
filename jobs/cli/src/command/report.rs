//! A cut's report, for people and for programs.

use std::fmt::Write;
use std::path::Path;

use spolia_cutout::CutReport;
use spolia_exec::CutAnswer;

/// The report of a cut of a site's files in a few lines; in full with what was read.
pub fn cut_text(answer: &CutAnswer, output: Option<&Path>, full: bool) -> String {
    let objects =
        answer.objects.iter().map(|(table, count)| format!("{count} from {table}")).collect::<Vec<_>>().join(", ");
    let mut text = head(&answer.messages, &objects, &answer.report, output);
    if full {
        reading(&mut text, &answer.report);
    }
    let _ = writeln!(
        text,
        "query {:.1} ms, locating {:.1} ms, merge {:.1} ms, epoch {}",
        answer.query_ms, answer.locate_ms, answer.merge_ms, answer.epoch
    );
    text
}

/// The same of any files.
pub fn bare_text(report: &CutReport, output: Option<&Path>, full: bool) -> String {
    let objects = format!("{} objects", report.objects);
    let mut text = head(&report.messages, &objects, report, output);
    if full {
        reading(&mut text, report);
    }
    text
}

fn head(messages: &[String], objects: &str, report: &CutReport, output: Option<&Path>) -> String {
    let mut text = String::new();
    for message in messages {
        let _ = writeln!(text, "note: {message}");
    }
    let name = output.map_or("not written".to_owned(), |output| output.display().to_string());
    let _ = writeln!(text, "{name}: {objects}, cut from {} files, {} bytes", report.files, report.bytes_written);
    text
}

fn reading(text: &mut String, report: &CutReport) {
    if let Some(expected) = report.expected_ms {
        let _ = writeln!(text, "it would take about {:.1} s, judged by a part of it", expected / 1e3);
    }
    let _ = writeln!(
        text,
        "{} bytes of values, read in {} requests of {} bytes; copying {:.1} ms, closing {:.1} ms",
        report.bytes_asked, report.requests, report.bytes_read, report.copy_ms, report.close_ms
    );
}

/// The report as JSON.
pub fn cut_json(answer: &CutAnswer) -> serde_json::Value {
    serde_json::json!({
        "epoch": answer.epoch, "objects": answer.objects, "files": answer.files, "messages": answer.messages,
        "bytes": answer.report.bytes_written, "report": answer.report,
        "query_ms": answer.query_ms, "locate_ms": answer.locate_ms, "merge_ms": answer.merge_ms,
    })
}

/// The same of any files.
pub fn bare_json(report: &CutReport) -> serde_json::Value {
    serde_json::json!({
        "objects": report.objects, "files": report.files, "messages": report.messages,
        "bytes": report.bytes_written, "report": report,
    })
}
