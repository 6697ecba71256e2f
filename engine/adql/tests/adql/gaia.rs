//! A small TAP_SCHEMA to check queries against.

use spolia_adql::{Column, Schema, Table, TapSchema};

const FILE: &str = "id did_rse did_scope did_name checksum file_version file_name file_extension key_name";

/// Units, UCDs and xtypes of some columns.
const MEANINGS: [(&str, &str, &str, &str); 11] = [
    ("alpha", "rad", "pos.eq.ra", ""),
    ("delta", "rad", "pos.eq.dec", ""),
    ("varpi", "mas", "pos.parallax.trig", ""),
    ("varpi_error", "mas", "stat.error;pos.parallax.trig", ""),
    ("mu_alpha_star", "mas/yr", "pos.pm;pos.eq.ra", ""),
    ("mu_delta", "mas/yr", "pos.pm;pos.eq.dec", ""),
    ("radial_velocity", "km/s", "spect.dopplerVeloc", ""),
    ("nu_eff_used_in_astrometry", "um**-1", "em.wavenumber", ""),
    ("ra", "deg", "pos.eq.ra", ""),
    ("dec", "deg", "pos.eq.dec", ""),
    ("note", "furlongs a week", "", ""),
];

/// The tables of the Gaia collection, two of TAP_SCHEMA, and two uploaded ones.
pub fn tap_schema() -> TapSchema {
    let source = format!(
        "{FILE} source_id alpha alpha_star_error delta delta_error mu_alpha_star mu_alpha_star_error mu_delta \
         mu_delta_error nu_eff_used_in_astrometry radial_velocity radial_velocity_error varpi varpi_error access_url"
    );
    let transit = format!("{FILE} source_id transit_id ac_win_coord transit_time access_url");
    let gaia = vec![
        table("gaia.completesource", &source),
        table("gaia.astroelementary", &transit),
        table("gaia.crossmatch", "id did_rse file_name source_id transit_id flags heal_pix_fov"),
    ];
    let tap = vec![
        table("TAP_SCHEMA.tables", "schema_name table_name description"),
        table("TAP_SCHEMA.columns", "table_name column_name description \"size\""),
    ];
    let upload =
        vec![table("TAP_UPLOAD.\"my.stars\"", "source_id ra dec"), table("TAP_UPLOAD.columns", "table_name note")];
    let schemas = [("gaia", gaia), ("TAP_SCHEMA", tap), ("TAP_UPLOAD", upload)];
    let schema = |(name, tables): (&str, Vec<Table>)| Schema { name: name.to_owned(), description: None, tables };
    TapSchema { schemas: schemas.into_iter().map(schema).collect(), keys: vec![] }
}

fn table(name: &str, columns: &str) -> Table {
    let column = |name: &str| {
        let known = MEANINGS.iter().find(|(known, ..)| *known == name);
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Column {
            name: name.to_owned(),
            datatype: "double".to_owned(),
            unit: known.and_then(|(_, unit, ..)| said(unit)),
            ucd: known.and_then(|(_, _, ucd, _)| said(ucd)),
            xtype: known.and_then(|(.., xtype)| said(xtype)),
            description: known.map(|_| format!("The {name}")),
            ..Column::default()
        }
    };
    let columns = columns.split_whitespace().map(column).collect();
    Table { name: name.to_owned(), description: None, columns }
}
