//! Who may do what with which collection.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use spolia_catalogue::Collection;

use crate::archive::Archive;
use crate::error::ExecError;
use crate::principal::Principal;

/// What is done with a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// To query its tables, and to see that there are any.
    Query,
    /// To cut objects out of its files.
    Cut,
    /// To take its files whole.
    File,
}

/// The rules of a site by collection, section `[access.<collection>]`; a collection without rules is public.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessSettings(BTreeMap<String, CollectionAccess>);

/// The rules of one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CollectionAccess {
    /// Who may query it. Whoever may not, may do nothing else with it.
    pub query: Audience,
    /// Who may cut objects out of its files.
    pub cut: Audience,
    /// Who may take its files whole.
    pub file: Audience,
}

/// `"public"`, or a list of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Audience {
    /// Everybody.
    #[default]
    Public,
    /// The members of these groups.
    Groups(BTreeSet<String>),
}

/// An audience as settings have it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Groups(BTreeSet<String>),
}

impl TryFrom<Written> for Audience {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Word(word) if word == "public" => Ok(Self::Public),
            Written::Word(word) => Err(format!("{word:?} is not \"public\"; groups are a list, [\"{word}\"]")),
            Written::Groups(groups) => Ok(Self::Groups(groups)),
        }
    }
}

impl From<Audience> for Written {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::Public => Self::Word("public".to_owned()),
            Audience::Groups(groups) => Self::Groups(groups),
        }
    }
}

impl Audience {
    fn has(&self, who: &Principal) -> bool {
        match self {
            Self::Public => true,
            Self::Groups(groups) => !groups.is_disjoint(who.groups()),
        }
    }
}

impl AccessSettings {
    /// Whether `who` may do that with a collection.
    pub fn allows(&self, who: &Principal, collection: &str, act: Act) -> bool {
        let Some(rules) = self.0.get(collection).filter(|_| !who.is_operator()) else { return true };
        rules.query.has(who)
            && match act {
                Act::Query => true,
                Act::Cut => rules.cut.has(who),
                Act::File => rules.file.has(who),
            }
    }

    /// The collections that `who` may not do that with.
    pub(crate) fn closed(&self, who: &Principal, act: Act) -> Vec<String> {
        self.0.keys().filter(|collection| !self.allows(who, collection, act)).cloned().collect()
    }
}

impl Archive {
    /// The collections that may be used like that.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn collections(&self, act: Act) -> Result<Vec<Collection>, ExecError> {
        let mut collections = self.router().control().collections().await?;
        collections.retain(|collection| self.access.allows(&self.who, &collection.name, act));
        Ok(collections)
    }

    /// Whether everybody may do that with a collection, and whether whoever asks may.
    pub fn may(&self, collection: &str, act: Act) -> (bool, bool) {
        let may = |who: &Principal| self.access.allows(who, collection, act);
        (may(&Principal::anonymous()), may(&self.who))
    }

    /// Refuses what may not be done with a collection.
    ///
    /// # Errors
    /// [`ExecError::Denied`].
    pub fn require(&self, collection: &str, act: Act) -> Result<(), ExecError> {
        if self.access.allows(&self.who, collection, act) {
            return Ok(());
        }
        let done = match act {
            Act::Query => "be queried",
            Act::Cut => "be cut",
            Act::File => "have its files taken",
        };
        let anonymous = self.who.name().is_none();
        let hint = if anonymous { "; say who you are" } else { ", and you are in none of them" };
        let message = format!("{collection} may {done} by members of some groups only{hint}");
        Err(ExecError::Denied { message, anonymous })
    }

    /// A query's error, or that it names what may not be used like that.
    pub(crate) fn or_forbidden(&self, adql: &str, act: Act, error: ExecError) -> ExecError {
        if !matches!(error, ExecError::Plan(_)) {
            return error;
        }
        let text = adql.to_lowercase();
        let named = |collection: &String| text.contains(&format!("{collection}."));
        let closed = self.access.closed(&self.who, act).into_iter().find(named);
        closed.and_then(|collection| self.require(&collection, act).err()).unwrap_or(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(query: &str, cut: &str) -> AccessSettings {
        serde_json::from_str(&format!("{{\"gaia\": {{\"query\": {query}, \"cut\": {cut}}}}}")).unwrap()
    }

    #[test]
    fn rules_say_who_may_do_what() {
        let [nobody, ada, operator] =
            [Principal::anonymous(), Principal::named("ada", ["dpcu".to_owned()]), Principal::operator()];
        let rules = settings("\"public\"", "[\"dpcu\", \"dpct\"]");
        for (who, act, allowed) in [
            (&nobody, Act::Query, true),
            (&nobody, Act::Cut, false),
            (&nobody, Act::File, true),
            (&ada, Act::Cut, true),
            (&operator, Act::Cut, true),
        ] {
            assert_eq!(rules.allows(who, "gaia", act), allowed, "{who:?} {act:?}");
        }
        assert!(rules.allows(&nobody, "other", Act::Cut), "no rules are no bars");
        let rules = settings("[\"dpct\"]", "\"public\"");
        assert!(!rules.allows(&ada, "gaia", Act::Cut), "who may not query may do nothing");
        assert_eq!(rules.closed(&ada, Act::Query), ["gaia"]);
    }

    #[test]
    fn an_audience_is_public_or_a_list() {
        let error = serde_json::from_str::<Audience>("\"dpct\"").unwrap_err().to_string();
        assert!(error.contains("groups are a list"), "{error}");
        assert_eq!(serde_json::to_string(&Audience::Public).unwrap(), "\"public\"");
        assert_eq!(serde_json::from_str::<Audience>("[]").unwrap(), Audience::Groups(BTreeSet::new()));
    }
}
