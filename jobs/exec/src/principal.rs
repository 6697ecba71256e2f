//! Who asks.

use std::collections::BTreeSet;

/// Who asks: nobody by name, someone with a name and groups, or the operator of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: Option<String>,
    groups: BTreeSet<String>,
    operator: bool,
}

impl Principal {
    /// Someone without a name.
    pub fn anonymous() -> Self {
        Self { name: None, groups: BTreeSet::new(), operator: false }
    }

    /// Someone who has shown to be of that name, and the groups that they are in.
    pub fn named(name: impl Into<String>, groups: impl IntoIterator<Item = String>) -> Self {
        Self { name: Some(name.into()), groups: groups.into_iter().collect(), operator: false }
    }

    /// Whoever has the site's folder, and may do everything.
    pub fn operator() -> Self {
        Self { name: Some("operator".to_owned()), groups: BTreeSet::new(), operator: true }
    }

    /// The name; none for those who have shown none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The name as the log has it: `anonymous` for those who have shown none.
    pub fn logged(&self) -> &str {
        self.name().unwrap_or("anonymous")
    }

    /// The groups.
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// True for the operator of the site.
    pub fn is_operator(&self) -> bool {
        self.operator
    }
}
