//! The keys that sign links, versioned so that they can be changed while old links still hold.

use chrono::{DateTime, Utc};
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
    /// When it was made.
    pub created: DateTime<Utc>,
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
        let sql = "INSERT INTO spolia.signing_key (secret) SELECT $1 WHERE NOT EXISTS (SELECT FROM spolia.signing_key)";
        client.execute(sql, &[&new_secret()]).await.act("make a signing key")?;
        let sql = "SELECT version, secret, created FROM spolia.signing_key ORDER BY version DESC";
        let rows = client.query(sql, &[]).await.act("read the signing keys")?;
        let key =
            |row: tokio_postgres::Row| SigningKey { version: row.get(0), secret: row.get(1), created: row.get(2) };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Makes a new key, which signs from now on, and gives its version.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn rotate_signing_key(&self) -> Result<i32, CatalogueError> {
        let sql = "INSERT INTO spolia.signing_key (secret) VALUES ($1) RETURNING version";
        let row = self.client().await?.query_one(sql, &[&new_secret()]).await.act("make a signing key")?;
        Ok(row.get(0))
    }

    /// Forgets an old key: what it has signed no longer holds. False for the newest key, and for one that there is not.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn forget_signing_key(&self, version: i32) -> Result<bool, CatalogueError> {
        let sql = "DELETE FROM spolia.signing_key WHERE version = $1 \
                   AND version < (SELECT max(version) FROM spolia.signing_key)";
        let gone = self.client().await?.execute(sql, &[&version]).await.act("forget a signing key")?;
        Ok(gone > 0)
    }
}

fn new_secret() -> Vec<u8> {
    let mut secret = vec![0u8; 32];
    rand::rng().fill_bytes(&mut secret);
    secret
}
