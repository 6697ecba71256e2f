//! The formats that records are given in. OAI-PMH 2.0 section 3.4, Registry Interfaces 1.1 section 2.2.

use serde::{Deserialize, Serialize};

/// The schema of OAI-PMH's responses, with its namespace.
pub(super) const OAI_SCHEMA: [&str; 2] =
    ["http://www.openarchives.org/OAI/2.0/", "http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd"];

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Format {
    /// VOResource.
    #[serde(rename = "ivo_vor")]
    VoResource,
    /// Unqualified Dublin Core.
    #[serde(rename = "oai_dc")]
    DublinCore,
}

impl Format {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::VoResource, Self::DublinCore];

    /// The format of a `metadataPrefix`.
    pub(super) fn named(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.prefix() == prefix)
    }

    /// Its `metadataPrefix`.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::VoResource => "ivo_vor",
            Self::DublinCore => "oai_dc",
        }
    }

    /// Its namespace.
    pub(super) const fn namespace(self) -> &'static str {
        match self {
            Self::VoResource => "http://www.ivoa.net/xml/RegistryInterface/v1.0",
            Self::DublinCore => "http://www.openarchives.org/OAI/2.0/oai_dc/",
        }
    }

    /// Where its schema is.
    pub(super) fn schema(self) -> &'static str {
        match self {
            // The IVOA's namespaces lead to their schemas.
            Self::VoResource => self.namespace(),
            Self::DublinCore => "http://www.openarchives.org/OAI/2.0/oai_dc.xsd",
        }
    }
}
