//! Collections and the tables they declare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;

use crate::column_type::ColumnType;
use crate::control::Control;
use crate::error::{Act, CatalogueError};
use crate::obscore::OBSCORE_COLUMNS;
use crate::user_table::USER_SCHEMA;

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDef {
    /// Its name in ADQL: a lowercase regular identifier.
    pub name: String,
    /// The field of the object in the file that fills it; none for columns the archive fills itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// True when an object without this field is refused.
    #[serde(default)]
    pub required: bool,
    /// True when each node keeps an index on it.
    #[serde(default)]
    pub indexed: bool,
    /// Unit, VOUnits 1.0 syntax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Unified content descriptor, UCD1+.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ucd: Option<String>,
    /// What it means.
    #[serde(default)]
    pub description: String,
}

impl ColumnDef {
    /// Whether the manifest can keep its minimum and maximum: of timestamps in microseconds since 1970, of dates in days.
    pub fn may_be_bounded(&self) -> bool {
        matches!(self.column_type, ColumnType::Bigint | ColumnType::Timestamp | ColumnType::Date)
    }
}

/// The columns that hold an object's position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionColumns {
    /// Longitude, ICRS, radians.
    pub lon: String,
    /// Latitude, ICRS, radians.
    pub lat: String,
}

/// The array that a small plot of a row shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewColumns {
    /// An array of as many numbers, such as times; the elements' own numbers where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// An array of numbers.
    pub y: String,
}

/// One table: what a class of objects in files becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDef {
    /// Its name in ADQL, without the schema.
    pub name: String,
    /// What one row is.
    pub description: String,
    /// The class of objects; a file of it is named `<class>_…`, a table in it `<class>`.
    pub class: String,
    /// The name of one object without its number: `CompleteSourceImpl` for `CompleteSourceImpl_5369`.
    pub object: String,
    /// The column that decides where a row lives; empty for a table that is replicated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shard_key: String,
    /// True for a small table that every node has whole, so that all others can be joined with it there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replicated: bool,
    /// Where the object is, if rows have positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionColumns>,
    /// How far beyond the edge of a chunk its node keeps copies of other chunks' rows, in arcsec: neighbours that are no further apart
    /// are found on one node. None are kept where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_arcsec: Option<f64>,
    /// The table whose rows these belong to, by equal shard keys: transits to their sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transits_of: Option<String>,
    /// Columns whose minima and maxima the manifest keeps, so that chunks can be skipped.
    #[serde(default)]
    pub bounded: Vec<String>,
    /// What a plot of a row shows; its neighbourhood where nothing is said and rows have positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewColumns>,
    /// What its rows are as products: an expression of ADQL for each column of ObsCore that is not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obscore: Option<BTreeMap<String, String>>,
    /// The columns that come out of the file.
    #[serde(rename = "column")]
    pub columns: Vec<ColumnDef>,
}

/// The columns every table has for the file its row came from, and their meaning.
pub const FILE_COLUMNS: &[(&str, ColumnType, &str)] = &[
    ("id", ColumnType::Bigint, "Row key: the file's number and the object's number in it"),
    ("did_rse", ColumnType::Text, "Rucio storage element that holds the file"),
    ("did_scope", ColumnType::Text, "Scope of the file's Rucio data identifier"),
    ("did_name", ColumnType::Text, "Name of the file's Rucio data identifier"),
    ("checksum", ColumnType::Text, "MD5 of the file, 32 hexadecimal digits"),
    ("file_version", ColumnType::Integer, "Version of the file, from 0"),
    ("file_name", ColumnType::Text, "Name of the file, without its extension"),
    ("file_extension", ColumnType::Text, "Extension of the file, with its dot"),
    ("key_name", ColumnType::Text, "Name of the object inside the file"),
];

impl TableDef {
    /// The column by which a row is told from others on its node: the shard key, or the row's own key.
    pub fn row_key(&self) -> &str {
        if self.replicated { "id" } else { &self.shard_key }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A collection: the tables that one kind of files fills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Its name, which is also the schema of its tables in ADQL.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// A page for people that tells more of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_url: Option<String>,
    /// Its tables.
    #[serde(rename = "table")]
    pub tables: Vec<TableDef>,
    /// Queries to begin with.
    #[serde(rename = "example", default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

/// A query to begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it finds, in a few words.
    pub name: String,
    /// What is worth knowing of it.
    pub description: String,
    /// ADQL.
    pub query: String,
}

/// What makes a collection's declaration unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct ValidationError {
    /// The collection, table or column at fault.
    pub place: String,
    /// What is wrong with it.
    pub fault: String,
}

impl Collection {
    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Whether rows of it are products, which ObsCore describes.
    pub fn has_products(&self) -> bool {
        self.tables.iter().any(|table| table.obscore.is_some())
    }

    /// Whether rows have the same form in both: all is equal but what only tells of them (examples, previews, products, where to read more).
    pub fn has_form_of(&self, other: &Self) -> bool {
        self.form() == other.form()
    }

    fn form(&self) -> Self {
        let tables = self.tables.iter().map(|table| TableDef { preview: None, obscore: None, ..table.clone() });
        Self { tables: tables.collect(), examples: Vec::new(), reference_url: None, ..self.clone() }
    }

    /// Checks names (they become SQL identifiers) and the columns that tables refer to.
    ///
    /// # Errors
    /// The first fault found, with its place.
    pub fn validate(&self) -> Result<(), ValidationError> {
        identifier("collection", &self.name)?;
        if self.name.starts_with(USER_SCHEMA) || RESERVED_SCHEMAS.contains(&self.name.as_str()) {
            let names = format!("{RESERVED_SCHEMAS:?} and names that begin with {USER_SCHEMA} are no collections'");
            return Err(fault(&self.name, names));
        }
        if let Some(url) = self.reference_url.as_ref().filter(|url| !is_web_page(url)) {
            return Err(fault(&self.name, format!("reference_url {url:?} is no address of a web page")));
        }
        for table in &self.tables {
            let place = format!("{}.{}", self.name, table.name);
            identifier(&place, &table.name)?;
            if of_a_node(&table.name) {
                let names = "names that end in _margin, or in _c or _m and a number, belong to the nodes".to_owned();
                return Err(fault(&place, names));
            }
            for (i, column) in table.columns.iter().enumerate() {
                identifier(&place, &column.name)?;
                let taken = table.columns[..i].iter().any(|other| other.name == column.name)
                    || FILE_COLUMNS.iter().any(|(name, ..)| *name == column.name)
                    || RESERVED_COLUMNS.contains(&column.name.as_str());
                if taken {
                    return Err(fault(
                        &place,
                        format!("column {:?} is declared twice or belongs to the archive", column.name),
                    ));
                }
            }
            table.check_references(&place)?;
            if let Some(name) = &table.transits_of
                && self.table(name).is_none_or(|sources| sources.replicated)
            {
                let no_table = format!("transits_of names {name:?}, which is no sharded table of this collection");
                return Err(fault(&place, no_table));
            }
        }
        Ok(())
    }
}

/// Schemas that queries or nodes know as something else.
const RESERVED_SCHEMAS: [&str; 6] = ["tap_schema", "tap_upload", "ivoa", "spolia", "spolia_node", "spolia_user"];
/// Names that the nodes' own columns and computed columns take.
const RESERVED_COLUMNS: &[&str] = &[
    "chunk",
    "batch",
    "superseded",
    "hpx29",
    "ux",
    "uy",
    "uz",
    "ordinal",
    "access_url",
    "datalink_url",
    "spolia_chunk",
    "spolia_low",
    "spolia_high",
];
/// A wider margin would copy most rows of small chunks.
const MOST_MARGIN_ARCSEC: f64 = 60.0;

/// Whether a table's name is one that nodes give to parts of tables.
fn of_a_node(name: &str) -> bool {
    let numbered = |part: &str| {
        let number = part.strip_prefix(['c', 'm']);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|letter| letter.is_ascii_digit()))
    };
    name.ends_with("_margin") || name.rsplit_once('_').is_some_and(|(_, part)| numbered(part))
}

impl TableDef {
    fn check_references(&self, place: &str) -> Result<(), ValidationError> {
        let is = |name: &str, wanted: ColumnType| match self.column(name) {
            Some(column) if column.column_type == wanted => Ok(()),
            _ => Err(fault(place, format!("column {name:?} must be there as a {wanted}"))),
        };
        match self.replicated {
            false => is(&self.shard_key, ColumnType::Bigint)?,
            true if self.shard_key.is_empty() && self.transits_of.is_none() && self.margin_arcsec.is_none() => {}
            true => {
                let alone = "a replicated table has no shard_key, no transits_of and no margin_arcsec";
                return Err(fault(place, alone.to_owned()));
            }
        }
        if let Some(position) = &self.position {
            for name in [&position.lon, &position.lat] {
                is(name, ColumnType::Double)?;
                if !self.column(name).is_some_and(|column| column.required) {
                    return Err(fault(place, format!("position column {name:?} must be required")));
                }
            }
        }
        if let Some(margin) = self.margin_arcsec {
            if self.position.is_none() {
                return Err(fault(place, "margin_arcsec is for tables with a position".to_owned()));
            }
            if !(margin > 0.0 && margin <= MOST_MARGIN_ARCSEC) {
                return Err(fault(
                    place,
                    format!("margin_arcsec is more than 0 and at most {MOST_MARGIN_ARCSEC}, not {margin}"),
                ));
            }
        }
        let arrays = self.preview.iter().flat_map(|preview| preview.x.iter().chain([&preview.y]));
        for name in arrays {
            let is_array = |column: &ColumnDef| matches!(column.column_type, ColumnType::Array { .. });
            if !self.column(name).is_some_and(is_array) {
                return Err(fault(place, format!("preview column {name:?} must be an array")));
            }
        }
        if let Some(products) = &self.obscore {
            let unknown = |name: &&String| !OBSCORE_COLUMNS.iter().any(|column| column.name == name.as_str());
            if let Some(name) = products.keys().find(unknown) {
                return Err(fault(place, format!("obscore names {name:?}, which is no column of ObsCore 1.1")));
            }
            if !products.contains_key("calib_level") || !products.contains_key("dataproduct_type") {
                return Err(fault(place, "obscore says calib_level and dataproduct_type at least".to_owned()));
            }
        }
        match self.bounded.iter().find(|name| !self.column(name).is_some_and(ColumnDef::may_be_bounded)) {
            Some(name) => Err(fault(place, format!("bounded column {name:?} must be a bigint, timestamp or date"))),
            None => Ok(()),
        }
    }
}

fn fault(place: &str, fault: String) -> ValidationError {
    ValidationError { place: place.to_owned(), fault }
}

/// Whether a text can stand as a link in any document.
fn is_web_page(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'`\\".contains(&b)))
}

fn identifier(place: &str, name: &str) -> Result<(), ValidationError> {
    let mut letters = name.bytes();
    let regular = letters.next().is_some_and(|b| b.is_ascii_lowercase())
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= 48;
    if regular {
        Ok(())
    } else {
        Err(fault(place, format!("{name:?} is no lowercase identifier of at most 48 letters")))
    }
}

impl Control {
    /// Declares a collection, or replaces its declaration.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn put_collection(&self, collection: &Collection) -> Result<(), CatalogueError> {
        let sql = "INSERT INTO spolia.collection VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET definition = $2";
        self.client().await?.execute(sql, &[&collection.name, &Json(collection)]).await.act("declare a collection")?;
        Ok(())
    }

    /// All collections, by name.
    ///
    /// # Errors
    /// When the control database fails or a declaration does not parse.
    pub async fn collections(&self) -> Result<Vec<Collection>, CatalogueError> {
        let sql = "SELECT definition FROM spolia.collection ORDER BY name COLLATE \"C\"";
        let rows = self.client().await?.query(sql, &[]).await.act("list collections")?;
        rows.into_iter()
            .map(|row| {
                serde_json::from_value(row.get(0))
                    .map_err(|source| CatalogueError::Document { what: "collection", source })
            })
            .collect()
    }
}
