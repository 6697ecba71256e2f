//! Requests that are answered with an error of OAI-PMH. OAI-PMH 2.0 section 3.6.

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// An argument is not of its form, not of this verb, missing, or given twice.
    BadArgument,
    /// The token was not made here.
    BadResumptionToken,
    /// There is no such verb, none, or more than one.
    BadVerb,
    /// Records do not come in that format.
    CannotDisseminateFormat,
    /// There never was such a record.
    IdDoesNotExist,
    /// No record is in the set and of the time asked for.
    NoRecordsMatch,
}

impl Code {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BadArgument => "badArgument",
            Self::BadResumptionToken => "badResumptionToken",
            Self::BadVerb => "badVerb",
            Self::CannotDisseminateFormat => "cannotDisseminateFormat",
            Self::IdDoesNotExist => "idDoesNotExist",
            Self::NoRecordsMatch => "noRecordsMatch",
        }
    }

    /// Whether the response repeats the arguments: not where these are what is wrong.
    pub(super) fn repeats_arguments(self) -> bool {
        !matches!(self, Self::BadArgument | Self::BadVerb)
    }
}

/// An error, with what the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self::new(Code::BadArgument, message)
    }
}

/// The beginning of what a client sent, to be told again.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
