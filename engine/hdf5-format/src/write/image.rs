//! Images: an object with all that is in it, written once and placed many times.

use super::{SUPERBLOCK_SIZE, WriteError, Writer, Written};
use crate::error::{Hdf5Error, Result};

/// How far apart an image is written twice. Every byte of an address but its first differs then.
const APART: u64 = 0x0101_0101_0101_0100;

/// An object as it stands in a file, with the places of all addresses in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectImage {
    /// Its bytes; addresses in them count from its beginning.
    pub bytes: Vec<u8>,
    /// Where an address stands.
    pub addresses: Vec<u32>,
    /// Where the object itself is.
    pub object: Written,
}

impl ObjectImage {
    /// Writes an object twice, at two addresses: what differs is an address. `write` must do the same both times.
    ///
    /// # Errors
    /// When it cannot be written, or the second time gives another image than the first.
    pub fn new<E: From<WriteError> + From<Hdf5Error>>(
        mut write: impl FnMut(&mut Writer<Vec<u8>>) -> Result<Written, E>,
    ) -> Result<Self, E> {
        let mut written_at = |address| {
            let mut writer = Writer::at(Vec::new(), address);
            let object = write(&mut writer)?;
            let length = writer.position().next_multiple_of(8) - address;
            let mut bytes = writer.output;
            bytes.resize(length as usize, 0);
            Ok::<_, E>((bytes, object))
        };
        let ((mut bytes, object), (other, _)) = (written_at(0)?, written_at(APART)?);
        let addresses = differing(&bytes, &other);
        let mut image = Self { bytes: std::mem::take(&mut bytes), addresses, object };
        let mut moved = vec![0; image.bytes.len()];
        image.place(&mut moved, APART);
        if moved != other {
            return Err(Hdf5Error::Unsupported("an object whose image cannot be moved".to_owned()).into());
        }
        image.bytes.shrink_to_fit();
        Ok(image)
    }

    /// Puts the image into `target`, which has its length and is at `address` of the new file.
    pub fn place(&self, target: &mut [u8], address: u64) {
        Self::place_parts(&self.bytes, &self.addresses, target, address);
    }

    /// As [`Self::place`], for an image that is kept in parts.
    pub fn place_parts(bytes: &[u8], addresses: &[u32], target: &mut [u8], address: u64) {
        target.copy_from_slice(bytes);
        for at in addresses {
            let at = *at as usize;
            if let Some(place) = target.get_mut(at..at + 8).and_then(|place| place.first_chunk_mut::<8>()) {
                *place = u64::from_le_bytes(*place).wrapping_add(address).to_le_bytes();
            }
        }
    }

    /// The image as a file of its own, the object being its root; the image begins behind the superblock.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        let mut file = vec![0; SUPERBLOCK_SIZE as usize + self.bytes.len()];
        let (superblock, image) = file.split_at_mut(SUPERBLOCK_SIZE as usize);
        self.place(image, SUPERBLOCK_SIZE);
        let end = SUPERBLOCK_SIZE + self.bytes.len() as u64;
        superblock.copy_from_slice(&super::superblock(self.object.moved(SUPERBLOCK_SIZE), end));
        file
    }
}

/// Where the addresses are that differ by [`APART`].
fn differing(bytes: &[u8], other: &[u8]) -> Vec<u32> {
    let mut addresses = Vec::new();
    let mut at = 0;
    while let Some(next) = bytes.iter().zip(other).skip(at).position(|(a, b)| a != b) {
        // The first byte is the same in both.
        let start = (at + next).saturating_sub(1);
        addresses.push(start as u32);
        at = start + 8;
    }
    addresses
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dataspace::Dataspace;
    use crate::link::{Target, links};
    use crate::object_header::ObjectHeader;
    use crate::write::{DatasetOut, StorageOut};
    use crate::{Bounds, Reader};

    fn group(writer: &mut Writer<Vec<u8>>) -> Result<Written, WriteError> {
        let mut members = Vec::new();
        for name in 0..20u8 {
            let content = writer.put(&[name; 9])?;
            let dataset = DatasetOut {
                datatype: Bytes::from_static(&[0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0]),
                space: Dataspace::Simple { shape: vec![9], max_shape: vec![Some(9)] },
                fill_value: None,
                filters: Vec::new(),
                storage: StorageOut::Contiguous(Some(content), 9),
                attributes: Vec::new(),
            };
            members.push((vec![b'a' + name], writer.dataset(&dataset)?));
        }
        writer.group(members, &[])
    }

    #[derive(Debug)]
    struct Failed;
    impl From<WriteError> for Failed {
        fn from(_: WriteError) -> Self {
            Self
        }
    }
    impl From<Hdf5Error> for Failed {
        fn from(_: Hdf5Error) -> Self {
            Self
        }
    }

    #[test]
    fn an_image_is_the_same_wherever_it_is_placed() {
        let image = ObjectImage::new(|writer| Ok::<_, Failed>(group(writer)?)).unwrap();
        for address in [8, 96, 4096, 0xffff_ff00, 1 << 40] {
            let mut writer = Writer::at(Vec::new(), address);
            let object = group(&mut writer).unwrap();
            let mut placed = vec![0; image.bytes.len()];
            image.place(&mut placed, address);
            let mut written = writer.output;
            written.resize(placed.len(), 0);
            assert!(placed == written && image.object.moved(address) == object, "at {address}");
        }
    }

    #[test]
    fn an_image_is_a_file_of_its_own() {
        let image = ObjectImage::new(|writer| Ok::<_, Failed>(group(writer)?)).unwrap();
        let reader = Reader::open(Bytes::from(image.file()), Bounds::default()).unwrap();
        let root = ObjectHeader::read(&reader, reader.superblock().root).unwrap();
        let members = links(&reader, &root).unwrap();
        assert_eq!(members.len(), 20);
        assert!(members.iter().all(|link| matches!(link.target, Target::Object(_))));
    }

    #[test]
    fn what_is_not_the_same_twice_is_refused() {
        let mut count = 0u8;
        let changing = ObjectImage::new(|writer| {
            count += 1;
            writer.put(&[count; 8])?;
            Ok::<_, Failed>(writer.group(Vec::new(), &[])?)
        });
        assert!(changing.is_err());
    }
}
