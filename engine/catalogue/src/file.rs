//! Files of the archive: identity, checksums, versions, and where their bytes lie.

use tokio_postgres::Row;

use crate::control::Control;
use crate::error::{Act, CatalogueError};

/// How far a file's rows have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Some of its rows may be on some nodes.
    Loading,
    /// All of its rows are on their nodes.
    Loaded,
}

/// What is known of a file when its ingest begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The collection it belongs to.
    pub collection: String,
    /// The table its objects become rows of.
    pub table_name: String,
    /// Its name without the extension.
    pub file_name: String,
    /// Its extension, with the dot.
    pub file_extension: String,
    /// 0 for the first file of that name, one more each time it is superseded.
    pub file_version: i32,
    /// Storage element.
    pub did_rse: String,
    /// Scope of the data identifier.
    pub did_scope: String,
    /// Name of the data identifier, never used again.
    pub did_name: String,
    /// MD5, 32 hexadecimal digits.
    pub checksum: String,
    /// Adler-32, 8 hexadecimal digits, as Rucio keeps it.
    pub adler32: String,
    /// Bytes.
    pub size: i64,
    /// Its key in the object store.
    pub location: String,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedFile {
    /// Its number, the upper half of its rows' ids.
    pub file_id: i32,
    /// Identity, checksums and place.
    pub file: NewFile,
    /// The number of objects, once known.
    pub objects: Option<i64>,
    /// The batch that brought it.
    pub batch: i32,
    /// How far its rows have come.
    pub state: FileState,
    /// The batch that replaced it, if one did.
    pub superseded: Option<i32>,
}

const COLUMNS: &str = "file_id, collection, table_name, file_name, file_extension, file_version, did_rse, did_scope, \
    did_name, checksum, adler32, size, location, objects, batch, state, superseded";

impl ArchivedFile {
    fn from_row(row: &Row) -> Self {
        let file = NewFile {
            collection: row.get(1),
            table_name: row.get(2),
            file_name: row.get(3),
            file_extension: row.get(4),
            file_version: row.get(5),
            did_rse: row.get(6),
            did_scope: row.get(7),
            did_name: row.get(8),
            checksum: row.get(9),
            adler32: row.get(10),
            size: row.get(11),
            location: row.get(12),
        };
        let state = if row.get::<_, &str>(15) == "loaded" { FileState::Loaded } else { FileState::Loading };
        Self { file_id: row.get(0), file, objects: row.get(13), batch: row.get(14), state, superseded: row.get(16) }
    }
}

impl Control {
    /// All versions of a file, newest first.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn file_versions(&self, collection: &str, file_name: &str) -> Result<Vec<ArchivedFile>, CatalogueError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM spolia.file WHERE collection = $1 AND file_name = $2 ORDER BY file_version DESC"
        );
        let rows = self.client().await?.query(&sql, &[&collection, &file_name]).await.act("look up a file")?;
        Ok(rows.iter().map(ArchivedFile::from_row).collect())
    }

    /// Files by their numbers; unknown numbers are left out.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn files(&self, file_ids: &[i32]) -> Result<Vec<ArchivedFile>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM spolia.file WHERE file_id = ANY($1) ORDER BY file_id");
        let rows = self.client().await?.query(&sql, &[&file_ids]).await.act("look up files")?;
        Ok(rows.iter().map(ArchivedFile::from_row).collect())
    }

    /// The files of a batch, in the order they were begun.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn files_of_batch(&self, batch: i32) -> Result<Vec<ArchivedFile>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM spolia.file WHERE batch = $1 ORDER BY file_id");
        let rows = self.client().await?.query(&sql, &[&batch]).await.act("list a batch's files")?;
        Ok(rows.iter().map(ArchivedFile::from_row).collect())
    }

    /// Notes a file as being loaded by `batch`.
    ///
    /// # Errors
    /// When the control database fails, or a file of that name and version is already there.
    pub async fn begin_file(&self, file: &NewFile, batch: i32) -> Result<ArchivedFile, CatalogueError> {
        let sql = format!(
            "INSERT INTO spolia.file (collection, table_name, file_name, file_extension, file_version, did_rse, did_scope,
                 did_name, checksum, adler32, size, location, batch, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'loading') RETURNING {COLUMNS}"
        );
        let row = self
            .client()
            .await?
            .query_one(
                &sql,
                &[
                    &file.collection,
                    &file.table_name,
                    &file.file_name,
                    &file.file_extension,
                    &file.file_version,
                    &file.did_rse,
                    &file.did_scope,
                    &file.did_name,
                    &file.checksum,
                    &file.adler32,
                    &file.size,
                    &file.location,
                    &batch,
                ],
            )
            .await
            .act("note a file")?;
        Ok(ArchivedFile::from_row(&row))
    }

    /// Notes that all rows of a file are on their nodes.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn finish_file(&self, file_id: i32, objects: i64) -> Result<(), CatalogueError> {
        let sql = "UPDATE spolia.file SET state = 'loaded', objects = $2 WHERE file_id = $1";
        self.client().await?.execute(sql, &[&file_id, &objects]).await.act("finish a file")?;
        Ok(())
    }

    /// Forgets a file of a batch still loading, whose rows have been taken off the nodes again.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn forget_file(&self, file_id: i32) -> Result<(), CatalogueError> {
        let sql = "DELETE FROM spolia.file f USING spolia.batch b WHERE file_id = $1 AND b.batch = f.batch AND b.state = 'loading'";
        self.client().await?.execute(sql, &[&file_id]).await.act("forget a file")?;
        Ok(())
    }
}
