//! Data models: TOML documents that declare a collection.

use spolia_catalogue::{Collection, ColumnType, Example, TableDef};
use spolia_cutout::{Count, FieldType, RowField, RowModel};

use crate::error::IngestError;

/// The models that come with the program.
const BUILT_IN: &[(&str, &str)] = &[("gaia", include_str!("../models/gaia.toml"))];

/// The names of the models that come with the program.
pub fn built_in_models() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The data model of that name, or in the file of that path if it ends in `.toml`; checked.
///
/// # Errors
/// When there is none, or it does not parse, or contradicts itself.
pub fn model(name: &str) -> Result<Collection, IngestError> {
    let read;
    let text = match BUILT_IN.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => *text,
        None if name.ends_with(".toml") => {
            read = std::fs::read_to_string(name).map_err(|source| IngestError::Read { path: name.into(), source })?;
            &read
        }
        None => {
            let known = built_in_models().collect::<Vec<_>>().join(", ");
            return Err(IngestError::UnknownModel { name: name.to_owned(), known });
        }
    };
    let syntax = |source| IngestError::ModelSyntax { name: name.to_owned(), source: Box::new(source) };
    let collection: Collection = toml::from_str(text).map_err(syntax)?;
    collection.validate()?;
    let wrong = |example: &Example, error: spolia_adql::AdqlError| IngestError::Example {
        name: example.name.clone(),
        message: error.to_string(),
    };
    collection
        .examples
        .iter()
        .try_for_each(|example| spolia_adql::parse(&example.query).map(drop).map_err(|error| wrong(example, error)))?;
    Ok(collection)
}

/// What the reader of files needs to know of a table.
pub fn row_model(table: &TableDef) -> RowModel {
    let fields = table.columns.iter().filter_map(|column| {
        Some(RowField {
            name: column.name.clone(),
            field: column.field.clone()?,
            data_type: field_type(column.column_type),
            count: count(column.column_type),
            required: column.required,
        })
    });
    RowModel { class: table.class.clone(), object: table.object.clone(), fields: fields.collect() }
}

fn field_type(column_type: ColumnType) -> FieldType {
    match column_type {
        ColumnType::Bigint => FieldType::Int64,
        ColumnType::Integer => FieldType::Int32,
        ColumnType::Smallint => FieldType::Int16,
        ColumnType::Double => FieldType::Float64,
        ColumnType::Real => FieldType::Float32,
        ColumnType::Text => FieldType::Utf8,
        ColumnType::Boolean => FieldType::Bool,
        ColumnType::Timestamp => FieldType::TimestampUs,
        ColumnType::Date => FieldType::Date,
        ColumnType::Uuid => FieldType::Uuid,
        ColumnType::Numeric { precision, scale } => FieldType::Decimal { precision, scale },
        ColumnType::Bytea => FieldType::Binary,
        ColumnType::Array { element, .. } => field_type(element.into()),
    }
}

fn count(column_type: ColumnType) -> Count {
    match column_type {
        ColumnType::Array { length: Some(length), .. } => Count::Exactly(length),
        ColumnType::Array { length: None, .. } => Count::Any,
        _ => Count::One,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gaia_model_declares_the_archive_tables() {
        let gaia = model("gaia").unwrap();
        let names: Vec<&str> = gaia.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["completesource", "astroelementary", "crossmatch"]);
        let transits = row_model(gaia.table("astroelementary").unwrap());
        assert_eq!((transits.object.as_str(), transits.fields[2].count), ("AstroElementaryImpl", Count::Exactly(10)));
    }

    #[test]
    fn unknown_and_contradictory_models_are_refused() {
        assert!(model("gaja").unwrap_err().to_string().contains("built in are gaia"));
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &str| {
            let path = folder.path().join("m.toml");
            std::fs::write(&path, text).unwrap();
            model(path.to_str().unwrap()).unwrap_err().to_string()
        };
        let table = "[[table]]\nname = 't'\ndescription = ''\nclass = 'T'\nobject = 'TImpl'\nshard_key = 'a'\n";
        let head = "name = 'x'\ndescription = ''\n";
        assert!(check(&format!("{head}{table}column = []")).contains("column \"a\" must be there"));
        assert!(check("name = 'x; DROP'\ndescription = ''\ntable = []").contains("no lowercase identifier"));
        let column = "{ name = 'a', type = 'bigint' }";
        assert!(check(&format!("{head}{table}column = [{column}, {column}]")).contains("declared twice"));
        assert!(
            check(&format!("{head}{table}column = [{{ name = 'chunk', type = 'bigint' }}]"))
                .contains("belongs to the archive")
        );
        let positioned = format!("{table}position = {{ lon = 'b', lat = 'b' }}\n");
        let columns = "column = [{ name = 'a', type = 'bigint' }, { name = 'b', type = 'double', required = true }]";
        for margin in ["0", "-1.0", "nan", "61"] {
            let text = format!("{head}{positioned}margin_arcsec = {margin}\n{columns}");
            assert!(check(&text).contains("margin_arcsec is more than 0"), "{margin}");
        }
        assert!(check(&format!("{head}{table}margin_arcsec = 5\n{columns}")).contains("for tables with a position"));
        let replicated = table.replace("shard_key = 'a'", "replicated = true");
        assert!(check(&format!("{head}{replicated}shard_key = 'a'\n{columns}")).contains("has no shard_key"));
        assert!(check(&format!("{head}{replicated}transits_of = 't'\n{columns}")).contains("no transits_of"));
        for name in ["t_margin", "t_c12", "t_m0"] {
            let text = format!("{head}{}{columns}", table.replace("name = 't'", &format!("name = '{name}'")));
            assert!(check(&text).contains("belong to the nodes"), "{name}");
        }
        assert!(check("name = 3").contains("does not parse"));
    }
}
