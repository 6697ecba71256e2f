//! The tables on a node: one per declared table, list-partitioned by chunk, beside a copy of the file table.

use std::fmt::Write;

use spolia_catalogue::{Collection, ColumnDef, ColumnType, TableDef};

use crate::node::READER;

/// What a node keeps of a row's position: its pixel, and the unit vector that points there.
const POSITION_COLUMNS: &str = ", hpx29 bigint NOT NULL, ux double precision NOT NULL, uy double precision NOT NULL, \
                                uz double precision NOT NULL";

/// Creates what every node has: the reading role and the replicated file table.
pub(crate) fn base_sql() -> String {
    format!(
        "DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN CREATE ROLE {READER} NOLOGIN; END IF;
         END $$;
         CREATE SCHEMA IF NOT EXISTS spolia_node;
         CREATE TABLE IF NOT EXISTS spolia_node.file (
             file_id integer PRIMARY KEY, did_rse text NOT NULL, did_scope text NOT NULL, did_name text NOT NULL,
             checksum text NOT NULL, file_version integer NOT NULL, file_name text NOT NULL, file_extension text NOT NULL,
             object text NOT NULL);
         GRANT USAGE ON SCHEMA spolia_node TO {READER};
         GRANT SELECT ON spolia_node.file TO {READER};"
    )
}

/// The name of a table's partition for one chunk.
pub(crate) fn leaf(table: &TableDef, chunk: i32) -> String {
    format!("{}_c{chunk}", table.name)
}

/// The table of the copies that nodes keep of rows around their chunks.
pub(crate) fn margin(table: &TableDef) -> String {
    format!("{}_margin", table.name)
}

/// The name of that table's partition for one chunk.
pub(crate) fn margin_leaf(table: &TableDef, chunk: i32) -> String {
    format!("{}_m{chunk}", table.name)
}

/// All tables that hold rows of a table.
pub(crate) fn tables_of(table: &TableDef) -> impl Iterator<Item = String> {
    [table.name.clone()].into_iter().chain(table.margin_arcsec.map(|_| margin(table)))
}

/// Creates a collection's tables, with the partitions of `chunks`.
pub(crate) fn collection_sql(collection: &Collection, chunks: &[i32]) -> String {
    let schema = &collection.name;
    let mut sql = format!("CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO {READER};\n");
    for table in &collection.tables {
        sql.push_str(&table_sql(schema, table));
        let everywhere = [0];
        for chunk in if table.replicated { &everywhere } else { chunks } {
            sql.push_str(&partition_sql(schema, &table.name, &leaf(table, *chunk), *chunk));
        }
        if table.margin_arcsec.is_some() {
            let (name, margin) = (&table.name, margin(table));
            let _ = writeln!(
                sql,
                "CREATE TABLE IF NOT EXISTS {schema}.{margin} (LIKE {schema}.{name}) PARTITION BY LIST (chunk);
                 CREATE INDEX IF NOT EXISTS {margin}_id ON {schema}.{margin} (id);"
            );
            // Chunk 0 has no place in the sky.
            for chunk in chunks.iter().filter(|chunk| **chunk > 0) {
                sql.push_str(&partition_sql(schema, &margin, &margin_leaf(table, *chunk), *chunk));
            }
        }
    }
    sql
}

fn partition_sql(schema: &str, table: &str, leaf: &str, chunk: i32) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {schema}.{leaf} PARTITION OF {schema}.{table} FOR VALUES IN ({chunk});
         GRANT SELECT ON {schema}.{leaf} TO {READER};\n"
    )
}

fn table_sql(schema: &str, table: &TableDef) -> String {
    let name = &table.name;
    let mut sql = format!(
        "CREATE TABLE IF NOT EXISTS {schema}.{name} (
             id bigint NOT NULL, chunk integer NOT NULL, batch integer NOT NULL, superseded integer{}{}
         ) PARTITION BY LIST (chunk);
         GRANT SELECT ON {schema}.{name} TO {READER};
         CREATE INDEX IF NOT EXISTS {name}_id ON {schema}.{name} (id);
         CREATE INDEX IF NOT EXISTS {name}_batch ON {schema}.{name} USING brin (batch);\n",
        if table.position.is_some() { POSITION_COLUMNS } else { "" },
        table.columns.iter().map(column_sql).collect::<String>(),
    );
    let spatial = table.position.iter().map(|_| ("hpx29", "hpx29".to_owned()));
    let indexed = table.columns.iter().filter(|column| column.indexed);
    let indexed = indexed.map(|column| (column.name.as_str(), seen_sql(column, &column.name)));
    for (column, value) in spatial.chain(indexed) {
        let _ = writeln!(sql, "CREATE INDEX IF NOT EXISTS {name}_{column} ON {schema}.{name} (({value}));");
    }
    sql
}

fn column_sql(column: &ColumnDef) -> String {
    let null = if column.required { " NOT NULL" } else { "" };
    format!(", {} {}{null}", column.name, column.column_type.sql_name())
}

/// A column's value as queries see it, of which indexes are made: `stored` itself, or the text of a UUID.
pub(crate) fn seen_sql(column: &ColumnDef, stored: &str) -> String {
    match column.column_type {
        ColumnType::Uuid => format!("{stored}::text"),
        _ => stored.to_owned(),
    }
}
