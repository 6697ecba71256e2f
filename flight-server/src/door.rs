//! The doors by name, for the log and the metrics.

/// A way into the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `/tap/sync`.
    Tap,
    /// `/tap/async`.
    Job,
    /// `/datalink/links`.
    Links,
    /// `/datalink/transits` and `/datalink/sources`.
    Counterpart,
    /// `/datalink/gaiamerger`.
    Cut,
    /// `/api/files`.
    Files,
    /// Flight SQL.
    Flight,
}

impl Door {
    /// All of them.
    pub(crate) const ALL: [Door; 7] =
        [Door::Tap, Door::Job, Door::Links, Door::Counterpart, Door::Cut, Door::Files, Door::Flight];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Door::Tap => "tap",
            Door::Job => "job",
            Door::Links => "links",
            Door::Counterpart => "counterpart",
            Door::Cut => "cut",
            Door::Files => "files",
            Door::Flight => "flight",
        }
    }
}
