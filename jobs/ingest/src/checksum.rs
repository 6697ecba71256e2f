//! Checksums of a file, and its way into the object store.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path as StorePath};
use simd_adler32::Adler32;
use tokio::io::AsyncReadExt;

use crate::error::IngestError;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

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
    read(path, |_| {}).await
}

/// Copies a file to `location`, where it appears whole or not at all; returns what was copied.
pub(crate) async fn store(
    path: &Path,
    store: &Arc<dyn ObjectStore>,
    location: &StorePath,
) -> Result<Checksums, IngestError> {
    let failed = |source| IngestError::Store { path: path.to_owned(), source };
    let mut upload = WriteMultipart::new(store.put_multipart(location).await.map_err(failed)?);
    let sums = read(path, |piece| upload.put(piece)).await;
    match sums {
        Ok(sums) => {
            upload.finish().await.map_err(failed)?;
            Ok(sums)
        }
        Err(error) => {
            // The first error is the one to report; what is left of the upload is invisible either way.
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

async fn read(path: &Path, mut each: impl FnMut(Bytes)) -> Result<Checksums, IngestError> {
    let failed = |source| IngestError::Read { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let (mut md5, mut adler32, mut size) = (Md5::new(), Adler32::new(), 0);
    loop {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        if file.read_buf(&mut piece).await.map_err(failed)? == 0 {
            break;
        }
        size += piece.len() as u64;
        md5.update(&piece);
        adler32.write(&piece);
        each(piece.freeze());
    }
    let md5 = md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Checksums { md5, adler32: format!("{:08x}", adler32.finish()), size })
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
