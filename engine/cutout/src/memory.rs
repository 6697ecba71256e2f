//! How much memory a cut takes, and for what.

/// Bytes that a cut may take, about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory(u64);

/// Bytes that are kept of each object until the merged file is complete: its number, name and place, and its part of the
/// provenance.
const OBJECT: u64 = 400;
/// Bytes of a page of metadata, of a local file and where a request is a journey.
const PAGE: usize = 16 << 10;
const FAR_PAGE: usize = 64 << 10;

impl Default for Memory {
    fn default() -> Self {
        Self(2 << 30)
    }
}

impl Memory {
    /// The least that a cut can do with.
    pub(crate) const LEAST: u64 = 64 << 20;

    /// So many bytes; nothing where a cut cannot do with so few.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        (bytes >= Self::LEAST).then_some(Self(bytes))
    }

    /// Bytes of a merged file that is put together in memory and written at once. A larger one is written piece by piece: to hold it
    /// as well takes longer than the system calls that this saves.
    pub(crate) fn output(self) -> usize {
        (self.0 / 16).min(1 << 20) as usize
    }

    /// Bytes of what is fetched and made at the same time.
    pub(crate) fn in_flight(self) -> u64 {
        self.0 / 4
    }

    /// Bytes of a page of metadata, and how many are kept of each of so many files that are open at the same time.
    pub(crate) fn pages(self, files: usize, far: bool) -> (usize, usize) {
        let page = if far { FAR_PAGE } else { PAGE };
        let pages = self.0 / 8 / page as u64 / files.max(1) as u64;
        (page, pages.clamp(4, (8 << 20) / page as u64) as usize)
    }

    /// Objects of a cut.
    pub(crate) fn objects(self) -> u64 {
        self.0 / 2 / OBJECT
    }

    /// In megabytes, for messages.
    pub(crate) fn megabytes(self) -> u64 {
        self.0 >> 20
    }
}
