//! The settings of the publishing registry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::form::{authority, email, fault, identifier, short_name, subjects, text, url};
use crate::error::ServerError;

/// Letters of a short name at most. VOResource 1.1 section 3.1.1.
const SHORT_NAME_LENGTH: usize = 16;
/// Letters that are added to the short name, to tell one record of this archive from another.
pub(super) const SHORT_NAME_ENDS: [&str; 3] = [" TAP", " Reg", " Auth"];

/// Whether and as what the archive registers itself; section `[registry]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// Whether there is a publishing registry at `/oai`. All that has no default here must be given then.
    pub enabled: bool,
    /// The naming authority that identifiers begin with: `org.example` makes `ivo://org.example/tap`. It must be nobody else's.
    pub authority: String,
    /// Other authorities whose records this registry answers for, such as one that was used before.
    pub managed_authorities: Vec<String>,
    /// What the archive is called.
    pub title: String,
    /// The same in 11 letters at most.
    pub short_name: String,
    /// What is in the archive, for those who look for something.
    pub description: String,
    /// The organisation that publishes it.
    pub publisher: String,
    /// That organisation's own record, if it has one.
    pub publisher_ivoid: Option<String>,
    /// Whom to ask.
    pub contact_name: String,
    /// Where to ask.
    pub contact_email: String,
    /// Who made the data, as `Family name, First name`; of a collection where it does not say.
    pub creators: Vec<String>,
    /// Concepts of the Unified Astronomy Thesaurus, as the last parts of their URLs in http://www.ivoa.net/rdf/uat: `astrometry`.
    pub subjects: Vec<String>,
    /// A page about the archive; its own page where it is not given.
    pub reference_url: Option<String>,
    /// A picture, by its URL.
    pub logo: Option<String>,
    /// Under which terms the data may be used.
    pub rights: Option<String>,
    /// The licence's URL.
    pub rights_url: Option<String>,
    /// Records sent at once; harvesters ask for the next ones.
    pub page_records: usize,
    /// What there is to say of collections beyond what their declarations do, by their names.
    pub collections: BTreeMap<String, CollectionRecordSettings>,
}

impl RegistrySettings {
    /// The naming authority, or what stands for it in an archive that has none.
    pub fn authority_or_none(&self) -> &str {
        if self.authority.is_empty() { "unregistered" } else { &self.authority }
    }
}

/// What a collection's record says; where nothing is given, what its declaration or the archive says. Section
/// `[registry.collections.<collection>]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CollectionRecordSettings {
    /// What it is called.
    pub title: Option<String>,
    /// The same in 16 letters at most.
    pub short_name: Option<String>,
    /// What is in it.
    pub description: Option<String>,
    /// Its edition.
    pub version: Option<String>,
    /// Who made it.
    pub creators: Vec<String>,
    /// Concepts of the Unified Astronomy Thesaurus.
    pub subjects: Vec<String>,
    /// A page about it.
    pub reference_url: Option<String>,
    /// The article about it, as a bibcode.
    pub bibcode: Option<String>,
    /// Its DOI, `10.…`.
    pub doi: Option<String>,
    /// Under which terms it may be used.
    pub rights: Option<String>,
    /// The licence's URL.
    pub rights_url: Option<String>,
    /// Observatories and satellites that it comes from.
    pub facilities: Vec<String>,
    /// Instruments that it comes from.
    pub instruments: Vec<String>,
    /// Parts of the spectrum, of http://www.ivoa.net/rdf/messenger: `Optical`.
    pub wavebands: Vec<String>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            enabled: false,
            authority: String::new(),
            managed_authorities: Vec::new(),
            title: String::new(),
            short_name: String::new(),
            description: String::new(),
            publisher: String::new(),
            publisher_ivoid: None,
            contact_name: String::new(),
            contact_email: String::new(),
            creators: Vec::new(),
            subjects: Vec::new(),
            reference_url: None,
            logo: None,
            rights: None,
            rights_url: None,
            page_records: 100,
            collections: BTreeMap::new(),
        }
    }
}

impl RegistrySettings {
    /// Checks what is published, if anything is.
    ///
    /// # Errors
    /// [`ServerError::Registry`] for what is missing, or would make no valid record.
    pub(crate) fn validate(&self) -> Result<(), ServerError> {
        if !self.enabled {
            return Ok(());
        }
        authority("authority", &self.authority)?;
        self.managed_authorities.iter().try_for_each(|name| authority("managed_authorities", name))?;
        let texts = [
            ("title", &self.title),
            ("short_name", &self.short_name),
            ("description", &self.description),
            ("publisher", &self.publisher),
            ("contact_name", &self.contact_name),
        ];
        texts.into_iter().try_for_each(|(setting, given)| text(setting, given))?;
        let longest = SHORT_NAME_ENDS.iter().map(|end| end.len()).max().unwrap_or(0);
        short_name("short_name", &self.short_name, SHORT_NAME_LENGTH - longest)?;
        email("contact_email", &self.contact_email)?;
        if let Some(ivoid) = &self.publisher_ivoid {
            identifier("publisher_ivoid", ivoid)?;
        }
        if self.subjects.is_empty() {
            return Err(fault(
                "subjects",
                "names no concept; give some of http://www.ivoa.net/rdf/uat, as [\"surveys\"]",
            ));
        }
        subjects("subjects", &self.subjects)?;
        self.creators.iter().try_for_each(|name| text("creators", name))?;
        let urls = [("reference_url", &self.reference_url), ("logo", &self.logo), ("rights_url", &self.rights_url)];
        urls.into_iter().try_for_each(|(setting, given)| url(setting, given.as_deref()))?;
        if self.page_records == 0 {
            return Err(fault("page_records", "is 0, which lets nothing through"));
        }
        self.collections.iter().try_for_each(|(name, collection)| collection.validate(name))
    }

    /// Whether an identifier is of an authority that this registry answers for.
    pub(super) fn manages(&self, identifier: &str) -> bool {
        let authority = identifier.strip_prefix("ivo://").and_then(|rest| rest.split('/').next());
        authority.is_some_and(|authority| self.authorities().any(|managed| managed.eq_ignore_ascii_case(authority)))
    }

    /// The authorities that this registry answers for, its own first.
    pub(super) fn authorities(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.authority).chain(&self.managed_authorities).map(String::as_str)
    }

    /// What is said of a collection beyond its declaration.
    pub(super) fn collection(&self, name: &str) -> CollectionRecordSettings {
        self.collections.get(name).cloned().unwrap_or_default()
    }
}

impl CollectionRecordSettings {
    fn validate(&self, name: &str) -> Result<(), ServerError> {
        let setting = |setting: &str| format!("collections.{name}.{setting}");
        if let Some(given) = &self.short_name {
            short_name(&setting("short_name"), given, SHORT_NAME_LENGTH)?;
        }
        subjects(&setting("subjects"), &self.subjects)?;
        let texts = [
            ("title", self.title.as_slice()),
            ("description", self.description.as_slice()),
            ("version", self.version.as_slice()),
            ("creators", &self.creators),
            ("rights", self.rights.as_slice()),
            ("facilities", &self.facilities),
            ("instruments", &self.instruments),
            ("wavebands", &self.wavebands),
        ];
        for (part, given) in texts {
            given.iter().try_for_each(|given| text(&setting(part), given))?;
        }
        url(&setting("reference_url"), self.reference_url.as_deref())?;
        url(&setting("rights_url"), self.rights_url.as_deref())?;
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>".contains(&b));
        if self.doi.as_deref().is_some_and(|doi| !doi.starts_with("10.") || !doi.contains('/') || !plain(doi)) {
            return Err(fault(&setting("doi"), "is no DOI such as 10.1051/0004-6361/202243940"));
        }
        if self.bibcode.as_deref().is_some_and(|bibcode| bibcode.len() != 19 || !plain(bibcode)) {
            return Err(fault(&setting("bibcode"), "is no bibcode such as 2023A&A...674A...1G, of 19 letters"));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Settings that are valid.
    pub(in crate::registry) fn settings() -> RegistrySettings {
        let text = str::to_owned;
        RegistrySettings {
            enabled: true,
            authority: text("org.example"),
            title: text("Example Archive"),
            short_name: text("Example"),
            description: text("Stars & their transits"),
            publisher: text("Example Observatory"),
            contact_name: text("Archive desk"),
            contact_email: text("archive@example.org"),
            creators: vec![text("Lovelace, A.")],
            subjects: vec![text("astrometry"), text("surveys")],
            rights: Some(text("Creative Commons Attribution 4.0")),
            rights_url: Some(text("https://creativecommons.org/licenses/by/4.0/")),
            ..RegistrySettings::default()
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut RegistrySettings), expect: &str) {
        let mut settings = settings();
        change(&mut settings);
        let error = settings.validate().map(|()| "valid".to_owned()).unwrap_or_else(|error| error.to_string());
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn nothing_is_published_unless_it_is_asked_for() {
        assert!(RegistrySettings::default().validate().is_ok() && !RegistrySettings::default().enabled);
        let error = RegistrySettings { enabled: true, ..RegistrySettings::default() }.validate().unwrap_err();
        assert!(error.to_string().starts_with("[registry] authority \"\" is no naming authority"), "{error}");
    }

    #[test]
    fn what_makes_no_record_is_refused_with_its_name() {
        check(|_| {}, "valid");
        for authority in ["ab", "-abc", "a/b", "ivo://abc", "a b c", "ünï.org", &"x".repeat(101)] {
            check(|s| s.authority = authority.to_owned(), "[registry] authority ");
        }
        check(|s| s.managed_authorities = vec!["x".to_owned()], "managed_authorities \"x\"");
        check(|s| s.title = " ".to_owned(), "title is not given");
        check(|s| s.short_name = "twelve chars".to_owned(), "short_name has 12 letters; it may have 11");
        for email in ["", "archive", "a@b", "@x.org", "a b@x.org", "a@x..org"] {
            check(|s| s.contact_email = email.to_owned(), "contact_email ");
        }
        check(|s| s.publisher_ivoid = Some("org.example".to_owned()), "publisher_ivoid ");
        check(|s| s.publisher_ivoid = Some("ivo://org.example/org".to_owned()), "valid");
        check(|s| s.subjects.clear(), "subjects names no concept");
        check(|s| s.subjects = vec!["Milky Way".to_owned()], "subjects \"Milky Way\"");
        check(|s| s.logo = Some("logo.png".to_owned()), "logo ");
        check(|s| s.page_records = 0, "page_records is 0");
    }

    #[test]
    fn what_is_said_of_collections_is_checked_too() {
        let of = |change: fn(&mut CollectionRecordSettings)| {
            move |s: &mut RegistrySettings| change(s.collections.entry("gaia".to_owned()).or_default())
        };
        check(of(|c| c.doi = Some("doi:10.1/x".to_owned())), "[registry] collections.gaia.doi is no DOI");
        check(of(|c| c.bibcode = Some("2023A&A".to_owned())), "collections.gaia.bibcode");
        check(of(|c| c.bibcode = Some("2023A&A...674A...1G".to_owned())), "valid");
        check(of(|c| c.short_name = Some("x".repeat(17))), "collections.gaia.short_name has 17 letters");
    }

    #[test]
    fn identifiers_of_others_are_not_managed() {
        let settings = RegistrySettings { managed_authorities: vec!["old.example".to_owned()], ..settings() };
        for (identifier, managed) in [
            ("ivo://org.example/tap", true),
            ("ivo://ORG.example", true),
            ("ivo://old.example/gaia", true),
            ("ivo://org.example.net/tap", false),
            ("org.example", false),
        ] {
            assert_eq!(settings.manages(identifier), managed, "{identifier}");
        }
    }
}
