//! Editions: what tells one state of the archive's description from another, cheaply enough to ask before every query.

use crate::control::Control;
use crate::error::{Act, CatalogueError};

/// An epoch, under the collections' declarations of some time. Whatever is made of both stays right for the same edition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edition {
    /// The epoch.
    pub epoch: i64,
    /// Tells the collections' declarations from earlier and later ones.
    declarations: String,
}

impl Control {
    /// The edition now: of `epoch`, whether there is one or not, or of the newest; nothing before the first ingest has laid out the
    /// chunks.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn edition(&self, epoch: Option<i64>) -> Result<Option<Edition>, CatalogueError> {
        // Every row has another xmin, the transaction that wrote it, when it is written anew.
        let sql = "SELECT coalesce($1, (SELECT max(epoch) FROM spolia.manifest)),
            (SELECT coalesce(string_agg(xmin::text, ' ' ORDER BY name), '') FROM spolia.collection)";
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await.act("prepare to read the epoch")?;
        let row = client.query_one(&statement, &[&epoch]).await.act("read the epoch")?;
        Ok(row.get::<_, Option<i64>>(0).map(|epoch| Edition { epoch, declarations: row.get(1) }))
    }
}
