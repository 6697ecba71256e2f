//! Which records a list has, and the tokens by which harvesters ask for the next ones. OAI-PMH 2.0 sections 2.7 and 3.5.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use spolia_catalogue::{RecordDates, RecordHistory};

use super::format::Format;
use super::refusal::{Code, Refusal};
use super::settings::RegistrySettings;

/// The set of all records that this registry is the source of. Registry Interfaces 1.1 section 2.4.
pub(super) const IVO_MANAGED: &str = "ivo_managed";

/// What a client wants a list of. A token is the same, with where to go on: so nothing has to be remembered, and tokens never run out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Selection {
    pub(super) format: Format,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<After>,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// The last record that was sent: its datestamp, then its identifier.
    last: (DateTime<Utc>, String),
    /// How many were sent before the next one.
    sent: usize,
}

/// A part of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<'a> {
    /// The records, in order of datestamp and identifier.
    pub(super) records: Vec<(&'a str, &'a RecordDates)>,
    /// How many were sent before.
    pub(super) cursor: usize,
    /// How many there are in all.
    pub(super) size: usize,
    /// The token for the next part; empty in the last one. None where there is only one part.
    pub(super) token: Option<String>,
}

impl Selection {
    /// The selection that a token stands for.
    ///
    /// # Errors
    /// [`Refusal`] for a text that was not made here.
    pub(super) fn resumed(token: &str) -> Result<Self, Refusal> {
        let read = URL_SAFE_NO_PAD.decode(token).ok().and_then(|json| serde_json::from_slice(&json).ok());
        let resumed = read.filter(|selection: &Self| selection.after.is_some());
        resumed.ok_or_else(|| Refusal::new(Code::BadResumptionToken, "this token was not made here"))
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The next records. One that changes while a list is read goes to its end, so that it is read again and none is missed.
    ///
    /// # Errors
    /// [`Refusal`] where there are none.
    pub(super) fn page<'a>(
        &self,
        history: &'a RecordHistory,
        settings: &RegistrySettings,
    ) -> Result<Page<'a>, Refusal> {
        let in_set = self.set.as_deref().is_none_or(|set| set == IVO_MANAGED);
        let in_time = |dates: &RecordDates| {
            self.from.is_none_or(|from| dates.updated >= from) && self.until.is_none_or(|until| dates.updated <= until)
        };
        let known = history.records.iter().map(|(identifier, dates)| (identifier.as_str(), dates));
        let mut records: Vec<_> =
            known.filter(|(identifier, dates)| in_set && in_time(dates) && settings.manages(identifier)).collect();
        records.sort_by_key(|(identifier, dates)| (dates.updated, *identifier));
        let size = records.len();
        let sent = self.after.as_ref().map_or(0, |after| after.sent);
        if let Some(After { last: (updated, identifier), .. }) = &self.after {
            records.retain(|(other, dates)| (dates.updated, *other) > (*updated, identifier.as_str()));
        }
        let more = records.len() > settings.page_records;
        records.truncate(settings.page_records);
        let Some((identifier, dates)) = records.last() else {
            return Err(match self.after {
                None => Refusal::new(Code::NoRecordsMatch, "no record is in that set and of that time"),
                Some(_) => Refusal::new(Code::BadResumptionToken, "nothing of this list is left; ask for it again"),
            });
        };
        let last = (dates.updated, (*identifier).to_owned());
        let after = After { last, sent: sent.saturating_add(records.len()) };
        let token = match more {
            true => Some(Self { after: Some(after), ..self.clone() }.token()),
            false => self.after.is_some().then(String::new),
        };
        Ok(Page { records, cursor: sent, size, token })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;

    use super::super::settings::tests::settings;
    use super::*;

    fn second(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    /// Five records, one of another authority.
    fn history() -> RecordHistory {
        let dates = |updated, deleted| RecordDates { created: second(0), updated: second(updated), deleted };
        let records = [
            ("ivo://org.example", dates(1, false)),
            ("ivo://org.example/a", dates(3, false)),
            ("ivo://org.example/b", dates(2, true)),
            ("ivo://org.example/c", dates(3, false)),
            ("ivo://elsewhere/d", dates(2, true)),
        ];
        let records = records.map(|(identifier, dates)| (identifier.to_owned(), dates));
        RecordHistory { now: second(9), records: BTreeMap::from(records) }
    }

    fn all() -> Selection {
        Selection { format: Format::VoResource, set: None, from: None, until: None, after: None }
    }

    #[track_caller]
    fn check(selection: &Selection, expect: &[&str]) {
        let (settings, history) = (settings(), history());
        let page = selection.page(&history, &settings);
        let found = page.map(|page| page.records.iter().map(|(identifier, _)| *identifier).collect::<Vec<_>>());
        assert_eq!(found.unwrap_or_default(), expect, "{selection:?}");
    }

    #[test]
    fn lists_are_of_a_set_and_a_time() {
        let [root, a, b, c] =
            ["ivo://org.example", "ivo://org.example/a", "ivo://org.example/b", "ivo://org.example/c"];
        check(&all(), &[root, b, a, c]);
        check(&Selection { set: Some("ivo_managed".to_owned()), ..all() }, &[root, b, a, c]);
        check(&Selection { set: Some("other".to_owned()), ..all() }, &[]);
        check(&Selection { from: Some(second(2)), ..all() }, &[b, a, c]);
        check(&Selection { from: Some(second(2)), until: Some(second(2)), ..all() }, &[b]);
        check(&Selection { from: Some(second(4)), ..all() }, &[]);
    }

    #[test]
    fn tokens_lead_through_a_list_once() {
        let history = history();
        let settings = RegistrySettings { page_records: 1, ..settings() };
        let (mut selection, mut found) = (all(), Vec::new());
        loop {
            let page = selection.page(&history, &settings).unwrap();
            assert_eq!((page.records.len(), page.cursor, page.size), (1, found.len(), 4));
            found.push(page.records[0].0);
            match page.token.as_deref() {
                Some("") => break,
                token => selection = Selection::resumed(token.unwrap()).unwrap(),
            }
        }
        assert_eq!(found, ["ivo://org.example", "ivo://org.example/b", "ivo://org.example/a", "ivo://org.example/c"]);
        assert_eq!(all().page(&history, &super::super::settings::tests::settings()).unwrap().token, None);
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let before_the_first = all().token();
        for wrong in ["", "x", "eyJ9", "AAAA", before_the_first.as_str()] {
            assert_eq!(Selection::resumed(wrong).unwrap_err().code, Code::BadResumptionToken, "{wrong}");
        }
    }
}
