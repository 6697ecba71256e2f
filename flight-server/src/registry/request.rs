//! A request of OAI-PMH: its verb and arguments. OAI-PMH 2.0 sections 3.1 and 4.

use std::collections::BTreeMap;

use super::datestamp::Bound;
use super::format::Format;
use super::refusal::{Code, Refusal, shown};
use super::selection::Selection;

/// Arguments of a request at most; no verb takes more.
const ARGUMENTS: usize = 8;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// What this registry is.
    Identify,
    /// In which formats records come, or this record does.
    ListMetadataFormats(Option<String>),
    /// Which sets there are.
    ListSets,
    /// The headers of records.
    ListIdentifiers(Selection),
    /// Records.
    ListRecords(Selection),
    /// A record.
    GetRecord(String, Format),
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What is asked for.
    pub(super) verb: Verb,
    /// The verb and its arguments as they were given, the verb first.
    pub(super) given: Vec<(String, String)>,
}

/// Arguments by name.
struct Arguments(BTreeMap<String, String>);

impl Request {
    /// Reads the arguments of a request, in any order. Their names are as OAI-PMH writes them, in lower and upper case.
    ///
    /// # Errors
    /// The [`Refusal`] of a request that makes no sense, with what may be repeated of it.
    pub(super) fn read(
        pairs: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, (Refusal, Vec<(String, String)>)> {
        let (verbs, others): (Vec<_>, Vec<_>) = pairs.take(ARGUMENTS + 1).partition(|(name, _)| name == "verb");
        let given: Vec<_> = verbs.iter().chain(&others).cloned().collect();
        match Self::verb(verbs, others) {
            Ok(verb) => Ok(Self { verb, given }),
            Err(refusal) if refusal.code.repeats_arguments() => Err((refusal, given)),
            Err(refusal) => Err((refusal, Vec::new())),
        }
    }

    fn verb(verbs: Vec<(String, String)>, others: Vec<(String, String)>) -> Result<Verb, Refusal> {
        let [(_, verb)] = verbs.as_slice() else {
            return Err(Refusal::new(Code::BadVerb, "a request has one verb, such as verb=Identify"));
        };
        let takes: &[&str] = match verb.as_str() {
            "Identify" => &[],
            "ListMetadataFormats" => &["identifier"],
            "ListSets" => &["resumptionToken"],
            "ListIdentifiers" | "ListRecords" => &["from", "until", "set", "metadataPrefix", "resumptionToken"],
            "GetRecord" => &["identifier", "metadataPrefix"],
            _ => return Err(Refusal::new(Code::BadVerb, format!("there is no verb {:?}", shown(verb)))),
        };
        let mut arguments = Arguments::read(others, verb, takes)?;
        match verb.as_str() {
            "Identify" => Ok(Verb::Identify),
            "ListMetadataFormats" => Ok(Verb::ListMetadataFormats(arguments.take("identifier"))),
            "ListSets" => match arguments.take("resumptionToken") {
                None => Ok(Verb::ListSets),
                Some(_) => Err(Refusal::new(Code::BadResumptionToken, "the list of sets has one part only")),
            },
            "ListIdentifiers" => Ok(Verb::ListIdentifiers(arguments.selection()?)),
            "ListRecords" => Ok(Verb::ListRecords(arguments.selection()?)),
            _ => {
                let identifier = arguments.required("identifier")?;
                Ok(Verb::GetRecord(identifier, arguments.format()?))
            }
        }
    }
}

impl Arguments {
    fn read(given: Vec<(String, String)>, verb: &str, takes: &[&str]) -> Result<Self, Refusal> {
        let mut arguments = BTreeMap::new();
        for (name, value) in given {
            if !takes.contains(&name.as_str()) {
                return Err(Refusal::argument(format!("{verb} takes no argument {:?}", shown(&name))));
            }
            if let Some((name, _)) = arguments.insert(name.clone(), value).map(|other| (name, other)) {
                return Err(Refusal::argument(format!("{name} is given more than once")));
            }
        }
        Ok(Self(arguments))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn required(&mut self, name: &str) -> Result<String, Refusal> {
        self.take(name).ok_or_else(|| Refusal::argument(format!("{name} is missing")))
    }

    fn format(&mut self) -> Result<Format, Refusal> {
        let prefix = self.required("metadataPrefix")?;
        if !is_word(&prefix) {
            return Err(Refusal::argument(format!("metadataPrefix {:?} is none", shown(&prefix))));
        }
        let unknown = || {
            let message = format!("records come as ivo_vor and oai_dc, not as {:?}", shown(&prefix));
            Refusal::new(Code::CannotDisseminateFormat, message)
        };
        Format::named(&prefix).ok_or_else(unknown)
    }

    fn selection(&mut self) -> Result<Selection, Refusal> {
        if let Some(token) = self.take("resumptionToken") {
            return match self.0.keys().next() {
                None => Selection::resumed(&token),
                Some(other) => Err(Refusal::argument(format!("resumptionToken is given alone, without {other}"))),
            };
        }
        let mut bound = |name| self.take(name).map(|text| Bound::read(name, &text)).transpose();
        let (from, until) = (bound("from")?, bound("until")?);
        if let (Some(from), Some(until)) = (from, until) {
            if !from.is_like(until) {
                return Err(Refusal::argument("from and until are both days, or both seconds"));
            }
            if from.first() > until.last() {
                return Err(Refusal::argument("from is after until"));
            }
        }
        let set = self.take("set");
        if let Some(wrong) = set.as_deref().filter(|set| !set.split(':').all(is_word)) {
            return Err(Refusal::argument(format!("set {:?} is none", shown(wrong))));
        }
        let format = self.format()?;
        Ok(Selection { format, set, from: from.map(Bound::first), until: until.map(Bound::last), after: None })
    }
}

/// Whether a text may be the name of a format or set. OAI-PMH.xsd, `metadataPrefixType` and `setSpecType`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Request, (Refusal, Vec<(String, String)>)> {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Request::read(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())))
    }

    #[track_caller]
    fn refused(query: &str, code: Code, says: &str) {
        let (refusal, given) = read(query).unwrap_err();
        assert_eq!(refusal.code, code, "{query}: {}", refusal.message);
        assert!(refusal.message.contains(says), "{query}: {}", refusal.message);
        assert_eq!(given.is_empty(), !code.repeats_arguments(), "{query}");
    }

    #[test]
    fn arguments_come_in_any_order() {
        let request = read("metadataPrefix=oai_dc&until=2026-01-02&verb=ListRecords&from=2026-01-01").unwrap();
        let Verb::ListRecords(selection) = &request.verb else { panic!("{request:?}") };
        assert_eq!(selection.format, Format::DublinCore);
        assert_eq!(selection.until.unwrap().to_rfc3339(), "2026-01-02T23:59:59+00:00");
        assert_eq!(request.given[0], ("verb".to_owned(), "ListRecords".to_owned()));
        let request = read("verb=GetRecord&metadataPrefix=ivo_vor&identifier=ivo://x.y/z").unwrap();
        assert_eq!(request.verb, Verb::GetRecord("ivo://x.y/z".to_owned(), Format::VoResource));
    }

    #[test]
    fn faults_have_the_codes_of_the_protocol() {
        use Code::{BadArgument, BadResumptionToken, BadVerb, CannotDisseminateFormat};
        for (query, code, says) in [
            ("", BadVerb, "one verb"),
            ("verb=identify", BadVerb, "\"identify\""),
            ("verb=Identify&verb=Identify", BadVerb, "one verb"),
            ("Verb=Identify", BadVerb, "one verb"),
            ("verb=Identify&x=1", BadArgument, "takes no argument \"x\""),
            ("verb=ListRecords", BadArgument, "metadataPrefix is missing"),
            ("verb=GetRecord&metadataPrefix=ivo_vor", BadArgument, "identifier is missing"),
            ("verb=ListRecords&metadataPrefix=oai_dc&metadataPrefix=oai_dc", BadArgument, "more than once"),
            ("verb=ListRecords&metadataPrefix=x", CannotDisseminateFormat, "ivo_vor"),
            ("verb=ListRecords&metadataPrefix=a%20b", BadArgument, "\"a b\""),
            ("verb=ListRecords&metadataPrefix=oai_dc&set=a::b", BadArgument, "set"),
            ("verb=ListRecords&metadataPrefix=oai_dc&from=yesterday", BadArgument, "from"),
            ("verb=ListRecords&metadataPrefix=oai_dc&from=2026-01-02&until=2026-01-01", BadArgument, "after"),
            ("verb=ListRecords&metadataPrefix=oai_dc&from=2026-01-01&until=2026-01-02T00:00:00Z", BadArgument, "both"),
            ("verb=ListRecords&resumptionToken=x", BadResumptionToken, "not made here"),
            ("verb=ListRecords&resumptionToken=x&metadataPrefix=oai_dc", BadArgument, "alone"),
            ("verb=ListSets&resumptionToken=x", BadResumptionToken, "one part"),
            ("verb=ListSets&set=x", BadArgument, "takes no argument"),
        ] {
            refused(query, code, says);
        }
    }

    #[test]
    fn a_flood_of_arguments_is_not_kept() {
        let (refusal, _) = read(&"verb=Identify&".repeat(100_000)).unwrap_err();
        assert_eq!(refusal.code, Code::BadVerb);
    }
}
