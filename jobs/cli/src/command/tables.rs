//! `spolia tables`: what users keep.

use serde_json::json;

use crate::arguments::Tables;
use crate::error::CommandError;
use crate::site::Site;

/// Lists or drops tables of users.
pub async fn run(site: &Site, tables: Tables) -> Result<(), CommandError> {
    let archive = site.archive().await?;
    match tables {
        Tables::List { json } => {
            for table in archive.user_tables().await? {
                let (owner, until) = (&table.schema.owner, table.destruction.format("%Y-%m-%d %H:%M:%S UTC"));
                if json {
                    let table = json!({
                        "table": table.full_name(), "owner": owner, "rows": table.rows, "bytes": table.bytes,
                        "node": format!("n{}", table.schema.group + 1), "until": table.destruction.to_rfc3339(),
                    });
                    println!("{table}");
                } else {
                    let mb = table.bytes as f64 / f64::from(1 << 20);
                    println!("{}  of {owner}  {} rows  {mb:.1} MB  until {until}", table.full_name(), table.rows);
                }
            }
        }
        Tables::Drop { name } => {
            let table = archive.user_table(&name).await?;
            archive.drop_user_table(&table).await?;
            eprintln!("{} of {} is gone", table.full_name(), table.schema.owner);
        }
    }
    Ok(())
}
