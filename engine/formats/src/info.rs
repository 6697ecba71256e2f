//! What is said beside the table: INFO elements and DataLink service descriptors.

use crate::field::Datatype;

/// What a result says about itself besides its rows.
#[derive(Clone, Debug, Default)]
pub struct ResultInfo {
    /// The query as the user wrote it: INFO `QUERY`.
    pub query: Option<String>,
    /// Further INFO elements, name and value, in this order (`standardID`, the epoch, …).
    pub infos: Vec<(String, String)>,
    /// Services that take values from this result's columns; VOTable only.
    pub services: Vec<ServiceDescriptor>,
    /// Whether a beginning that comes before all rows has room for how the result ends, for one who holds it back until that is known
    /// ([`Encoder::beginning`](crate::Encoder::beginning)).
    pub room_for_status: bool,
}

/// A service a client can call with values from a result: a `RESOURCE` of type `meta` and utype `adhoc:service`.
///
/// It is left out of a result that lacks a column one of its parameters takes values from. DataLink 1.1 section 4.
#[derive(Clone, Debug, Default)]
pub struct ServiceDescriptor {
    /// The XML ID of the resource, unique in the document.
    pub id: String,
    /// A short name for people.
    pub name: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// The URL without parameters.
    pub access_url: String,
    /// The standard it follows, such as `ivo://ivoa.net/std/DataLink#links-1.1`; none for a service of our own.
    pub standard_id: Option<String>,
    /// The media type of its answer.
    pub content_type: Option<String>,
    /// Its `inputParams`.
    pub params: Vec<Param>,
}

/// One input parameter of a service. DataLink 1.1 section 4.3.
#[derive(Clone, Debug)]
pub struct Param {
    /// The parameter's name in the URL.
    pub name: String,
    /// The type of its value; text is of any length.
    pub datatype: Datatype,
    /// A fixed value, which clients send with every call; empty for what the client fills in.
    pub value: String,
    /// The result column the client takes the value from (written as `ref` to that FIELD).
    pub column: Option<String>,
    /// A sentence for people.
    pub description: Option<String>,
    /// What the value may be, as a choice or between two.
    pub values: Values,
}

/// The values that a parameter may have: `VALUES` of VOTable 1.4 section 4.7.
#[derive(Clone, Debug, Default)]
pub enum Values {
    /// Any of its type.
    #[default]
    Any,
    /// One of these.
    OneOf(Vec<String>),
    /// From the first to the second, both included.
    Between(String, String),
}

impl Param {
    /// A text that the client fills in.
    #[must_use]
    pub fn text(name: &str, description: &str) -> Self {
        let (datatype, value, column) = (Datatype::Char, String::new(), None);
        Param {
            name: name.to_owned(),
            datatype,
            value,
            column,
            description: Some(description.to_owned()),
            values: Values::Any,
        }
    }

    /// A text that clients send with every call.
    #[must_use]
    pub fn fixed(name: &str, value: &str, description: &str) -> Self {
        Param { value: value.to_owned(), ..Self::text(name, description) }
    }

    /// The same, taken from a column of the result.
    #[must_use]
    pub fn from_column(self, column: &str) -> Self {
        Param { column: Some(column.to_owned()), ..self }
    }

    /// The same, with a choice of values.
    #[must_use]
    pub fn one_of(self, values: &[&str]) -> Self {
        Param { values: Values::OneOf(values.iter().map(|value| (*value).to_owned()).collect()), ..self }
    }

    /// A whole number from the first to the second, that the client fills in.
    #[must_use]
    pub fn between(self, least: i32, most: i32) -> Self {
        Param { datatype: Datatype::Int, values: Values::Between(least.to_string(), most.to_string()), ..self }
    }
}
