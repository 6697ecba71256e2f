//! A cut's report, for people and for programs.

use std::fmt::Write;
use std::path::Path;

use spolia_exec::CutAnswer;

/// The report in a few lines.
pub fn cut_text(answer: &CutAnswer, output: &Path) -> String {
    let mut text = String::new();
    for message in &answer.messages {
        let _ = writeln!(text, "note: {message}");
    }
    let objects =
        answer.objects.iter().map(|(table, count)| format!("{count} from {table}")).collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        text,
        "{}: {objects}, cut from {} files, {} bytes",
        output.display(),
        answer.files,
        answer.report.bytes_written
    );
    let _ = writeln!(
        text,
        "query {:.1} ms, locating {:.1} ms, merge {:.1} ms, epoch {}",
        answer.query_ms, answer.locate_ms, answer.merge_ms, answer.epoch
    );
    text
}

/// The report as JSON.
pub fn cut_json(answer: &CutAnswer) -> serde_json::Value {
    serde_json::json!({
        "epoch": answer.epoch, "objects": answer.objects, "files": answer.files, "messages": answer.messages,
        "bytes": answer.report.bytes_written,
        "query_ms": answer.query_ms, "locate_ms": answer.locate_ms, "merge_ms": answer.merge_ms,
    })
}
