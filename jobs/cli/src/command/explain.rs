//! `spolia explain`: which nodes a query asks, which it skips and why, and the SQL they get.

use spolia_exec::QueryRequest;

use crate::arguments::Explain;
use crate::command::query::{links, text, uploads};
use crate::error::CommandError;
use crate::site::Site;

/// Prints the explanation.
pub async fn run(site: &Site, explain: Explain) -> Result<(), CommandError> {
    let archive = site.archive().await?;
    let uploads = uploads(site, &explain.upload)?;
    let request = QueryRequest { uploads, ..QueryRequest::new(text(&explain.adql)?, links(site)) };
    let explanation = archive.explain(&request, explain.analyze).await?;
    if explain.json {
        println!("{}", serde_json::to_string_pretty(&explanation).map_err(|e| CommandError::Said(e.to_string()))?);
    } else {
        print!("{explanation}");
    }
    Ok(())
}

/// Says nothing of what is ADQL.
pub fn parse(adql: &str) -> Result<(), CommandError> {
    spolia_adql::parse(&text(adql)?).map(drop).map_err(|error| CommandError::Said(error.to_string()))
}
