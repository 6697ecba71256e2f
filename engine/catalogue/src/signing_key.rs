//! The keys that sign links, versioned so that they can be changed while old links still hold.

use rand::Rng;

use crate::control::Control;
use crate::error::{Act, CatalogueError};

/// A key of the site.
#[derive(Clone)]
pub struct SigningKey {
    /// Its version; the newest signs, all verify.
    pub version: i32,
    /// 32 random bytes.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey {{ version: {}, secret: *** }}", self.version)
    }
}

impl Control {
    /// The site's keys, newest first; makes the first one where there is none.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, CatalogueError> {
        let client = self.client().await?;
        let mut secret = vec![0u8; 32];
        rand::rng().fill_bytes(&mut secret);
        let sql = "INSERT INTO spolia.signing_key (secret) SELECT $1 WHERE NOT EXISTS (SELECT FROM spolia.signing_key)";
        client.execute(sql, &[&secret]).await.act("make a signing key")?;
        let sql = "SELECT version, secret FROM spolia.signing_key ORDER BY version DESC";
        let rows = client.query(sql, &[]).await.act("read the signing keys")?;
        Ok(rows.into_iter().map(|row| SigningKey { version: row.get(0), secret: row.get(1) }).collect())
    }
}
