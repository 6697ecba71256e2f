//! Checksums of a file, and its way into the object store.

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path as StorePath};
use simd_adler32::Adler32;
use tokio::io::AsyncReadExt;

use crate::error::IngestError;

/// Bytes read at once.
const PIECE: usize = 1 << 20;
/// Parts of an upload that are on their way at the same time.
const PARTS_AT_ONCE: usize = 8;
/// Bytes of a part at least; S3 takes none smaller than 5 MiB but the last, and no more than 10,000.
const PART: u64 = 8 << 20;
const MOST_PARTS: u64 = 10_000;

/// What identifies a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksums {
    /// MD5, 32 hexadecimal digits.
    pub md5: String,
    /// Adler-32, 8 hexadecimal digits, as Rucio keeps it.
    pub adler32: String,
    /// Bytes.
    pub size: u64,
}

/// Reads a file whole and sums it up.
///
/// # Errors
/// When it cannot be read.
pub async fn checksums(path: &Path) -> Result<Checksums, IngestError> {
    read(path, async |_| Ok(())).await
}

/// A file as it was copied to the store.
pub(crate) struct Stored {
    pub(crate) sums: Checksums,
    /// What the store calls this version of the object.
    pub(crate) etag: Option<String>,
}

/// Copies a file to `location`, where it appears whole or not at all; returns what was copied.
pub(crate) async fn store(
    path: &Path,
    store: &Arc<dyn ObjectStore>,
    location: &StorePath,
) -> Result<Stored, IngestError> {
    let failed = |source| IngestError::Store { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(|source| IngestError::Read { path: path.to_owned(), source })?.len();
    if size <= PART {
        return store_small(path, store, location).await;
    }
    let part = PART.max(size.div_ceil(MOST_PARTS)) as usize;
    let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(location).await.map_err(failed)?, part);
    let sums = read(path, async |piece| {
        // The disk may be faster than the way to the store.
        upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
        upload.put(piece);
        Ok(())
    });
    match sums.await {
        Ok(sums) => {
            let put = upload.finish().await.map_err(failed)?;
            Ok(Stored { sums, etag: put.e_tag })
        }
        Err(error) => {
            // The first error is the one to report; what is left of the upload is invisible either way.
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

/// In one request; many servers' ETag is the MD5 then.
async fn store_small(path: &Path, store: &Arc<dyn ObjectStore>, location: &StorePath) -> Result<Stored, IngestError> {
    let mut content = BytesMut::new();
    let sums = read(path, async |piece| {
        content.extend_from_slice(&piece);
        Ok(())
    });
    let sums = sums.await?;
    let put = store.put(location, content.freeze().into()).await;
    let put = put.map_err(|source| IngestError::Store { path: path.to_owned(), source })?;
    Ok(Stored { sums, etag: put.e_tag })
}

async fn read(
    path: &Path,
    mut each: impl AsyncFnMut(Bytes) -> Result<(), IngestError>,
) -> Result<Checksums, IngestError> {
    let failed = |source| IngestError::Read { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let (mut md5, mut adler32, mut size) = (Md5::new(), Adler32::new(), 0);
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        if file.read_buf(&mut piece).await.map_err(failed)? == 0 {
            break;
        }
        size += piece.len() as u64;
        md5.update(&piece);
        adler32.write(&piece);
        each(piece.freeze()).await?;
    }
    Ok(Checksums { md5: hex(&md5.finalize()), adler32: format!("{:08x}", adler32.finish()), size })
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn known_sums() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"Wikipedia").unwrap();
        let sums = checksums(&path).await.unwrap();
        assert_eq!(
            (sums.md5.as_str(), sums.adler32.as_str(), sums.size),
            ("9c677286866aad38f8e9b660f5411814", "11e60398", 9)
        );
        assert!(checksums(folder.path()).await.is_err());
    }
}
