//! The bytes of a document: counted, bounded, and with the line that was reached.

use std::io::{BufRead, Error, Read, Result};

/// No tag, comment, or text between two tags is longer, in bytes; the text of a STREAM isn't taken at once.
pub(super) const LONGEST_PIECE: u64 = 4 << 20;

/// The bound that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Piece,
    Document,
}

pub(super) struct Source<R> {
    input: R,
    left_of_document: u64,
    left_of_piece: u64,
    line: u64,
    met: Option<Met>,
}

impl<R: BufRead> Source<R> {
    pub(super) fn new(input: R, document_bytes: u64) -> Self {
        Source { input, left_of_document: document_bytes, left_of_piece: LONGEST_PIECE, line: 1, met: None }
    }

    pub(super) fn begin_piece(&mut self) {
        self.left_of_piece = LONGEST_PIECE;
    }

    /// The line that was reached, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The bound that ended the reading, if one did.
    pub(super) fn met(&self) -> Option<Met> {
        self.met
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        let available = self.input.fill_buf()?;
        let left = self.left_of_document.min(self.left_of_piece);
        if left == 0 && !available.is_empty() {
            self.met = Some(if self.left_of_piece == 0 { Met::Piece } else { Met::Document });
            return Err(Error::other("a bound was met"));
        }
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(available.len());
        Ok(&available[..taken])
    }

    fn consume(&mut self, amount: usize) {
        // What was filled is still there, and asking for it reads no more.
        if let Ok(available) = self.input.fill_buf() {
            self.line += available.iter().take(amount).filter(|byte| **byte == b'\n').count() as u64;
        }
        self.left_of_document = self.left_of_document.saturating_sub(amount as u64);
        self.left_of_piece = self.left_of_piece.saturating_sub(amount as u64);
        self.input.consume(amount);
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let taken = self.fill_buf()?.read(buffer)?;
        self.consume(taken);
        Ok(taken)
    }
}
