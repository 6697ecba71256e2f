//! Files of the archive: identity, checksums, versions, and where their bytes lie.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::control::Control;
use crate::error::{Act, CatalogueError};
use crate::manifest::Visibility;

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
    /// All versions of files with these names, of each the newest first.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn file_versions(
        &self,
        collection: &str,
        file_names: &[&str],
    ) -> Result<BTreeMap<String, Vec<ArchivedFile>>, CatalogueError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM spolia.file WHERE collection = $1 AND file_name = ANY($2) ORDER BY file_version DESC"
        );
        let rows = self.client().await?.query(&sql, &[&collection, &file_names]).await.act("look up files")?;
        let mut versions: BTreeMap<String, Vec<ArchivedFile>> = BTreeMap::new();
        for file in rows.iter().map(ArchivedFile::from_row) {
            versions.entry(file.file.file_name.clone()).or_default().push(file);
        }
        Ok(versions)
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

    /// The files of a collection that an epoch shows, by their numbers.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn files_of_collection(
        &self,
        collection: &str,
        visibility: &Visibility,
    ) -> Result<Vec<ArchivedFile>, CatalogueError> {
        let sql =
            format!("SELECT {COLUMNS} FROM spolia.file WHERE collection = $1 AND state = 'loaded' ORDER BY file_id");
        let rows = self.client().await?.query(&sql, &[&collection]).await.act("list a collection's files")?;
        let files = rows.iter().map(ArchivedFile::from_row);
        let replaced = |file: &ArchivedFile| file.superseded.is_some_and(|batch| visibility.shows(batch));
        Ok(files.filter(|file| visibility.shows(file.batch) && !replaced(file)).collect())
    }

    /// Notes files as being loaded by `batch`. They get their numbers in this order.
    ///
    /// # Errors
    /// When the control database fails, or a file of such a name and version is already there; then none is noted.
    pub async fn begin_files(&self, files: &[NewFile], batch: i32) -> Result<Vec<ArchivedFile>, CatalogueError> {
        let sql = format!(
            "INSERT INTO spolia.file (collection, table_name, file_name, file_extension, file_version, did_rse, did_scope,
                 did_name, checksum, adler32, size, location, batch, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'loading') RETURNING {COLUMNS}"
        );
        let mut client = self.client().await?;
        let transaction = client.transaction().await.act("note files")?;
        let statement = transaction.prepare(&sql).await.act("note files")?;
        let mut begun = Vec::with_capacity(files.len());
        for file in files {
            let values: [&(dyn ToSql + Sync); 13] = [
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
            ];
            let row = transaction.query_one(&statement, &values).await.act("note a file")?;
            begun.push(ArchivedFile::from_row(&row));
        }
        transaction.commit().await.act("note files")?;
        Ok(begun)
    }

    /// Notes that all rows of a file are on their nodes.
    ///
    /// # Errors
    /// When the control database fails; [`CatalogueError::TakenBack`] when the file was taken back meanwhile.
    pub async fn finish_file(&self, file_id: i32, objects: i64) -> Result<(), CatalogueError> {
        let sql = "UPDATE spolia.file SET state = 'loaded', objects = $2 WHERE file_id = $1 AND state = 'loading'";
        let noted = self.client().await?.execute(sql, &[&file_id, &objects]).await.act("finish a file")?;
        if noted == 1 { Ok(()) } else { Err(CatalogueError::TakenBack(file_id)) }
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
