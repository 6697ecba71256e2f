//! `/tap/tables`: what can be queried. VOSI 1.1 section 6, VODataService 1.1.

use std::collections::BTreeMap;
use std::io;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, Response, header};
use spolia_adql::{Column, ForeignKey, Schema, Table, TapSchema};

use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::visitor::Visitor;
use crate::xml::{self, Xml};

/// Where the schema of ESA's attribute lies, below `/tap`. VODataService allows attributes of others only where a document says
/// by which schema they can be checked.
pub(super) const ESA_TAP_PLUS_PATH: &str = "/esa-tap-plus.xsd";
const ESA_TAP_PLUS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://esa.int/xml/EsaTapPlus">
 <xs:attribute name="flags" type="xs:string"/>
</xs:schema>
"#;
/// The namespaces that a document's first element declares.
const NAMESPACES: [(&str, &str); 4] = [
    ("xmlns:esatapplus", "http://esa.int/xml/EsaTapPlus"),
    ("xmlns:vosi", "http://www.ivoa.net/xml/VOSITables/v1.0"),
    ("xmlns:vs", "http://www.ivoa.net/xml/VODataService/v1.1"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// What is said of tables.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Detail<'a> {
    /// Their names and descriptions.
    Min,
    /// Their columns and foreign keys, too.
    Max,
    /// The same as a registry record has it: without ESA's attribute, and with the rows of tables by their names. VODataService 1.2
    /// section 3.4.1.
    Record(&'a BTreeMap<String, u64>),
}

/// All schemas and tables; `detail=min` leaves the columns out.
pub(crate) async fn tables(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let answered = async {
        let detail = detail(&Parameters::read(request).await?)?;
        let _place = service.queries.enter().await?;
        let schema = service.archive.tap_schema().await?;
        xml::respond(|xml| tableset(xml, &service.base_url, &schema, detail))
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.text())
}

/// One table with its columns.
pub(crate) async fn table(Visitor(service): Visitor, Path(name): Path<String>) -> Response<Body> {
    let answered = async {
        let _place = service.queries.enter().await?;
        let schema = service.archive.tap_schema().await?;
        // One's own tables may be called without their schema.
        let own = match schema.table(&name) {
            Some(_) => None,
            None => service.archive.user_table(&name).await.ok(),
        };
        let Some(table) = schema.table(&own.map_or(name.clone(), |own| own.full_name())) else {
            let shown: String = name.chars().take(80).collect();
            return Err(Fault::not_found(format!("there is no table {shown:?}; /tap/tables lists them")));
        };
        xml::respond(|xml| {
            let location = schema_location(&service.base_url);
            let root = NAMESPACES.into_iter().chain([("xsi:schemaLocation", location.as_str()), ("type", "table")]);
            xml.create_element("vosi:table")
                .with_attributes(root)
                .write_inner_content(|xml| content(xml, table, &schema.keys, Detail::Max))?;
            Ok(())
        })
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.text())
}

/// The schema of ESA's attribute.
pub(super) async fn esa_tap_plus() -> Response<Body> {
    let mut response = Response::new(Body::from(ESA_TAP_PLUS));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=utf-8"));
    response
}

fn schema_location(base_url: &str) -> String {
    format!("http://esa.int/xml/EsaTapPlus {base_url}/tap{ESA_TAP_PLUS_PATH}")
}

fn detail(parameters: &Parameters) -> Result<Detail<'static>, Fault> {
    match parameters.one("DETAIL")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("max") => Ok(Detail::Max),
        Some("min") => Ok(Detail::Min),
        Some(_) => Err(Fault::usage("detail is min or max")),
    }
}

fn tableset(xml: &mut Xml, base_url: &str, schema: &TapSchema, detail: Detail<'_>) -> io::Result<()> {
    let location = schema_location(base_url);
    let root = NAMESPACES.into_iter().chain([("xsi:schemaLocation", location.as_str())]);
    xml.create_element("vosi:tableset").with_attributes(root).write_inner_content(|xml| {
        schema.schemas.iter().try_for_each(|part| write_schema(xml, part, &schema.keys, detail))
    })?;
    Ok(())
}

/// A schema with its tables, inside of a `tableset` element.
pub(crate) fn write_schema(xml: &mut Xml, schema: &Schema, keys: &[ForeignKey], detail: Detail<'_>) -> io::Result<()> {
    xml.create_element("schema").write_inner_content(|xml| {
        xml::text(xml, "name", &schema.name)?;
        xml::optional(xml, "description", schema.description.as_deref())?;
        schema.tables.iter().try_for_each(|table| {
            xml.create_element("table")
                .with_attribute(("type", "table"))
                .write_inner_content(|xml| content(xml, table, keys, detail))?;
            Ok(())
        })
    })?;
    Ok(())
}

/// What is inside a `table` element.
fn content(xml: &mut Xml, table: &Table, keys: &[ForeignKey], detail: Detail<'_>) -> io::Result<()> {
    xml::text(xml, "name", &table.name)?;
    xml::optional(xml, "description", table.description.as_deref())?;
    match detail {
        Detail::Min => return Ok(()),
        Detail::Max => {}
        Detail::Record(rows) => xml::optional(xml, "nrows", rows.get(&table.name).map(u64::to_string).as_deref())?,
    }
    table.columns.iter().try_for_each(|column| write_column(xml, column, detail))?;
    keys.iter().filter(|key| key.from_table == table.name).try_for_each(|key| foreign_key(xml, key))
}

fn write_column(xml: &mut Xml, column: &Column, detail: Detail<'_>) -> io::Result<()> {
    let std = if column.std { "true" } else { "false" };
    // astroquery's TapPlus does not read a column without ESA's flags, which say what positions, magnitudes and keys are; here none.
    let flags = Some(("esatapplus:flags", "0")).filter(|_| !matches!(detail, Detail::Record(_)));
    xml.create_element("column").with_attributes([("std", std)].into_iter().chain(flags)).write_inner_content(
        |xml| {
            xml::text(xml, "name", &column.name)?;
            let parts = [
                ("description", &column.description),
                ("unit", &column.unit),
                ("ucd", &column.ucd),
                ("utype", &column.utype),
            ];
            parts.into_iter().try_for_each(|(name, value)| xml::optional(xml, name, value.as_deref()))?;
            data_type(xml, column)?;
            let flags = [("indexed", column.indexed), ("principal", column.principal)];
            flags.into_iter().filter(|(_, set)| *set).try_for_each(|(flag, _)| xml::text(xml, "flag", flag))
        },
    )?;
    Ok(())
}

fn data_type(xml: &mut Xml, column: &Column) -> io::Result<()> {
    let attributes = [("arraysize", &column.arraysize), ("extendedType", &column.xtype)];
    let given = attributes.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    xml.create_element("dataType")
        .with_attributes([("xsi:type", "vs:VOTableType")].into_iter().chain(given))
        .write_text_content(quick_xml::events::BytesText::new(&column.datatype))?;
    Ok(())
}

fn foreign_key(xml: &mut Xml, key: &ForeignKey) -> io::Result<()> {
    xml.create_element("foreignKey").write_inner_content(|xml| {
        xml::text(xml, "targetTable", &key.target_table)?;
        key.columns.iter().try_for_each(|(from, target)| {
            xml.create_element("fkColumn").write_inner_content(|xml| {
                xml::text(xml, "fromColumn", from)?;
                xml::text(xml, "targetColumn", target)
            })?;
            Ok::<_, io::Error>(())
        })?;
        xml::optional(xml, "description", key.description.as_deref())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(detail: Detail<'_>) -> String {
        let text = |text: &str| Some(text.to_owned());
        let column = |name: &str, datatype: &str, arraysize: Option<&str>| Column {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            arraysize: arraysize.map(str::to_owned),
            ..Column::default()
        };
        let time = Column { xtype: text("timestamp"), unit: text("s"), ..column("t", "char", Some("*")) };
        let id = Column { indexed: true, description: text("a < b"), ..column("id", "long", None) };
        let table = Table { name: "gaia.t".to_owned(), description: None, columns: vec![id, time] };
        let key = ForeignKey {
            from_table: "gaia.t".to_owned(),
            target_table: "gaia.s".to_owned(),
            columns: vec![("id".to_owned(), "id".to_owned())],
            ..ForeignKey::default()
        };
        let schema = Schema { name: "gaia".to_owned(), description: None, tables: vec![table] };
        let schema = TapSchema { schemas: vec![schema], keys: vec![key] };
        String::from_utf8(xml::document(|xml| tableset(xml, "http://a.example", &schema, detail)).unwrap()).unwrap()
    }

    #[test]
    fn columns_have_their_votable_types() {
        let document = written(Detail::Max);
        for part in [
            "<dataType xsi:type=\"vs:VOTableType\">long</dataType>",
            "<dataType xsi:type=\"vs:VOTableType\" arraysize=\"*\" extendedType=\"timestamp\">char</dataType>",
            "<description>a &lt; b</description>",
            "<flag>indexed</flag>",
            "<unit>s</unit>",
            "<targetTable>gaia.s</targetTable>",
            "xsi:schemaLocation=\"http://esa.int/xml/EsaTapPlus http://a.example/tap/esa-tap-plus.xsd\"",
        ] {
            assert!(document.contains(part), "{part} is not in\n{document}");
        }
    }

    #[test]
    fn the_small_answer_names_the_tables_only() {
        let document = written(Detail::Min);
        assert!(document.contains("<name>gaia.t</name>") && !document.contains("<column"), "{document}");
    }

    #[test]
    fn a_record_has_rows_and_nothing_of_others() {
        let document = written(Detail::Record(&BTreeMap::from([("gaia.t".to_owned(), 7)])));
        assert!(document.contains("<nrows>7</nrows>") && document.contains("<column std=\"false\">"), "{document}");
    }
}
