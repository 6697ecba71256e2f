//! The table of links. DataLink 1.1 section 3.2.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// One link of one row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// The id as it was given.
    pub(crate) id: String,
    pub(crate) access_url: Option<String>,
    /// The service that the link is a call of.
    pub(crate) service_def: Option<&'static str>,
    /// Why there is no URL; begins with a term of table 2.
    pub(crate) error_message: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) semantics: &'static str,
    pub(crate) content_type: Option<&'static str>,
    /// Bytes, where they are known before the link is followed.
    pub(crate) content_length: Option<i64>,
    /// Tells links of the same semantics apart, from row to row.
    pub(crate) local_semantics: Option<&'static str>,
    /// Who may follow it.
    pub(crate) open_to: OpenTo,
}

/// Who may follow a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OpenTo {
    /// Everybody, without a login.
    pub(crate) all: bool,
    /// Whoever asks.
    pub(crate) asker: bool,
}

/// Name, UCD and meaning of the text columns before `content_length`.
const TEXTS: [(&str, &str, &str); 7] = [
    ("ID", "meta.id;meta.main", "The id as it was given"),
    ("access_url", "meta.ref.url", "Link to data or service"),
    ("service_def", "meta.ref", "Reference to a service descriptor"),
    ("error_message", "meta.code.error", "Why there is no link"),
    ("description", "meta.note", "What the link leads to"),
    ("semantics", "meta.code", "Its meaning, a term of http://www.ivoa.net/rdf/datalink/core"),
    ("content_type", "meta.code.mime", "Media type of what it returns"),
];

/// The columns.
pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, data_type: DataType, metadata: &[(&str, &str)]| {
        let metadata: HashMap<_, _> =
            metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Field::new(name, data_type, true).with_metadata(metadata)
    };
    let text = |(name, ucd, description): (&str, &str, &str)| {
        field(name, DataType::Utf8, &[("ucd", ucd), ("description", description)])
    };
    let mut fields: Vec<Field> = TEXTS.map(text).to_vec();
    fields.push(field("content_length", DataType::Int64, &[("ucd", "phys.size;meta.file"), ("unit", "byte")]));
    fields.push(field("content_qualifier", DataType::Utf8, &[("description", "Nature of what it returns")]));
    fields.push(text(("local_semantics", "meta.id.assoc", "The same for corresponding links of other ids")));
    fields.push(text(("link_auth", "meta.code", "Whether the link asks for a login")));
    fields.push(field("link_authorized", DataType::Boolean, &[("ucd", "meta.code")]));
    Arc::new(Schema::new(fields))
}

/// The links as rows.
///
/// # Errors
/// When Arrow refuses the rows, which would be a fault here.
pub(crate) fn batch(links: &[Link]) -> Result<RecordBatch, ArrowError> {
    let texts =
        |value: fn(&Link) -> Option<&str>| -> ArrayRef { Arc::new(links.iter().map(value).collect::<StringArray>()) };
    let leads = |link: &Link| link.error_message.is_none();
    let auth = |link: &Link| if link.open_to.all { "optional" } else { "true" };
    let authorized = links.iter().map(|link| leads(link).then_some(link.open_to.asker));
    let auths = links.iter().map(|link| leads(link).then(|| auth(link)));
    let columns: Vec<ArrayRef> = vec![
        texts(|link| Some(&link.id)),
        texts(|link| link.access_url.as_deref()),
        texts(|link| link.service_def),
        texts(|link| link.error_message.as_deref()),
        texts(|link| link.description.as_deref()),
        texts(|link| Some(link.semantics)),
        texts(|link| link.content_type),
        Arc::new(links.iter().map(|link| link.content_length).collect::<Int64Array>()),
        texts(|_| None),
        texts(|link| link.local_semantics),
        Arc::new(auths.collect::<StringArray>()),
        Arc::new(authorized.collect::<BooleanArray>()),
    ];
    RecordBatch::try_new(schema(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_those_of_the_standard() {
        let names: Vec<_> = schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(
            names,
            [
                "ID",
                "access_url",
                "service_def",
                "error_message",
                "description",
                "semantics",
                "content_type",
                "content_length",
                "content_qualifier",
                "local_semantics",
                "link_auth",
                "link_authorized"
            ]
        );
        assert_eq!(batch(&[Link { semantics: "#this", ..Link::default() }]).unwrap().num_rows(), 1);
    }
}
