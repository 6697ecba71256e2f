//! `spolia cut`: objects cut out of their files and merged into one.

use spolia_exec::{CutAnswer, CutRequest, Principal, Selection};

use crate::arguments::Cut;
use crate::command::report;
use crate::error::CommandError;
use crate::site::Site;

/// Cuts and reports.
pub async fn run(site: &Site, cut: Cut) -> Result<(), CommandError> {
    let selection = match (&cut.ids, &cut.adql) {
        (_, Some(adql)) => Selection::Adql(super::query::text(adql)?),
        (Some(ids), None) => Selection::SourceIds(source_ids(ids)?),
        (None, None) => return Err(CommandError::Said("give --ids or --adql".to_owned())),
    };
    let archive = site.archive().await?;
    let text = cut.adql.clone().or(cut.ids.clone()).unwrap_or_default();
    let mut operation = archive.log().begin("cut", &Principal::anonymous(), &text);
    operation.note("door", "cli");
    let request =
        CutRequest { selection, with_transits: cut.with_transits, keep_unmatched: cut.keep_unmatched, epoch: None };
    match archive.cut(&request, &cut.output).await {
        Ok(answer) => {
            operation.note("epoch", answer.epoch);
            operation.note("rows", answer.objects.values().sum::<usize>());
            operation.note("bytes", answer.report.bytes_written);
            operation.note("merge_ms", answer.merge_ms);
            operation.succeed();
            show(&answer, &cut);
            Ok(())
        }
        Err(error) => {
            operation.fail(&error.message());
            Err(error.into())
        }
    }
}

fn show(answer: &CutAnswer, cut: &Cut) {
    if cut.json {
        println!("{}", report::cut_json(answer));
    } else {
        eprint!("{}", report::cut_text(answer, &cut.output));
    }
}

/// Ids separated by commas or white space, or `@FILE` with such.
fn source_ids(text: &str) -> Result<Vec<i64>, CommandError> {
    let read;
    let text = match text.strip_prefix('@') {
        Some(path) => {
            read = std::fs::read_to_string(path).map_err(CommandError::file("read", path))?;
            &read
        }
        None => text,
    };
    let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let ids: Vec<i64> = words
        .map(|word| {
            word.parse().map_err(|_| CommandError::Said(format!("{word:?} is no source id (a 64-bit integer)")))
        })
        .collect::<Result<_, _>>()?;
    if ids.is_empty() { Err(CommandError::Said("no ids are given".to_owned())) } else { Ok(ids) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_exactly() {
        assert_eq!(source_ids("3425114617586286848, -5\n7").unwrap(), [3425114617586286848, -5, 7]);
        assert!(source_ids("3.4e18").unwrap_err().message().contains("no source id"));
        assert!(source_ids(" ,").is_err() && source_ids("@/no/such/file").is_err());
    }
}
