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

/// One input parameter of a service.
#[derive(Clone, Debug)]
pub struct Param {
    /// The parameter's name in the URL.
    pub name: String,
    /// The type of its value; text is of any length.
    pub datatype: Datatype,
    /// A fixed or proposed value. Empty for text that the client fills in; of a number, validators want a number.
    pub value: String,
    /// The result column the client takes the value from (written as `ref` to that FIELD).
    pub column: Option<String>,
    /// A sentence for people.
    pub description: Option<String>,
}
