//! Lines as cells: separated by commas or runs of spaces, in double quotes where need be, which are doubled in these.

use std::io::{BufRead, Read};

use super::{EcsvReadError, Result};

/// Bytes of a row.
const LONGEST_ROW: usize = 16 << 20;

pub(super) struct Records<R> {
    input: R,
    pub(super) separator: u8,
    line: u64,
    bytes: u64,
    /// The lines of a record.
    text: Vec<u8>,
    /// The cells one after the other, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// How far the text was split, and whether that is in quotes.
    at: usize,
    in_quotes: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R) -> Self {
        let (text, cells, ends) = (Vec::new(), Vec::new(), Vec::new());
        Records { input, separator: b' ', line: 0, bytes: 0, text, cells, ends, at: 0, in_quotes: false }
    }

    /// The line that was reached, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Bytes read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many cells the record has.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn cell(&self, at: usize) -> Result<&str> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        std::str::from_utf8(&self.cells[start..self.ends[at]])
            .map_err(|_| EcsvReadError::Row { line: self.line, problem: "it is not UTF-8".to_owned() })
    }

    /// The next line if it is a comment, without its `#`. Other lines than comments are left for [`Records::next`].
    pub(super) fn comment(&mut self) -> Result<Option<String>> {
        loop {
            let start = self.input.fill_buf().map_err(|source| EcsvReadError::Input { line: self.line, source })?;
            match start.first() {
                Some(b'#') => {}
                Some(b'\n' | b'\r') => {
                    self.read_line()?;
                    continue;
                }
                _ => return Ok(None),
            }
            self.text.clear();
            self.read_line()?;
            let line = std::str::from_utf8(&self.text[1..]).map(|line| line.trim_end().to_owned());
            return line.map(Some).map_err(|_| EcsvReadError::Head("it is not UTF-8".to_owned()));
        }
    }

    /// Reads the next record; comments and empty lines are none.
    pub(super) fn next(&mut self) -> Result<bool> {
        loop {
            self.text.clear();
            if !self.read_line()? {
                return Ok(false);
            }
            let first = self.text.iter().find(|byte| !byte.is_ascii_whitespace());
            if first.is_some_and(|byte| *byte != b'#') {
                break;
            }
        }
        self.cells.clear();
        self.ends.clear();
        (self.at, self.in_quotes) = (0, false);
        while !self.split() {
            if !self.read_line()? {
                let problem = "a quote is not closed before the end of the file".to_owned();
                return Err(EcsvReadError::Row { line: self.line, problem });
            }
        }
        Ok(true)
    }

    /// Appends a line to the record's text; says whether there was one.
    fn read_line(&mut self) -> Result<bool> {
        let left = (LONGEST_ROW + 1 - self.text.len().min(LONGEST_ROW)) as u64;
        let read = self.input.by_ref().take(left).read_until(b'\n', &mut self.text);
        let read = read.map_err(|source| EcsvReadError::Input { line: self.line, source })?;
        self.bytes += read as u64;
        self.line += u64::from(read > 0);
        if self.text.len() > LONGEST_ROW {
            let problem = format!("a row has more than {LONGEST_ROW} bytes");
            return Err(EcsvReadError::Row { line: self.line, problem });
        }
        Ok(read > 0)
    }

    /// Splits what was read since into cells; false if it ends in quotes.
    fn split(&mut self) -> bool {
        let end = self.text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        loop {
            if self.in_quotes {
                let closed = quoted(&self.text, &mut self.at, &mut self.cells);
                if !closed {
                    return false;
                }
                self.in_quotes = false;
            } else {
                let rest = &self.text[self.at..end];
                self.at += rest.len() - rest.trim_ascii_start().len();
                // Spaces at the end of a line are no cell.
                if self.separator == b' ' && self.at == end {
                    return true;
                }
                if self.text[self.at..end].starts_with(b"\"") {
                    (self.at, self.in_quotes) = (self.at + 1, true);
                    continue;
                }
            }
            let rest = &self.text[self.at..end];
            let length = rest.iter().position(|byte| *byte == self.separator).unwrap_or(rest.len());
            self.cells.extend_from_slice(rest[..length].trim_ascii_end());
            self.ends.push(self.cells.len());
            if length == rest.len() {
                return true;
            }
            self.at += length + 1;
        }
    }
}

/// Appends what stands in quotes from `at` on, where it goes on afterwards; says whether they were closed.
fn quoted(text: &[u8], at: &mut usize, out: &mut Vec<u8>) -> bool {
    loop {
        let rest = &text[*at..];
        let length = rest.iter().position(|byte| *byte == b'"');
        out.extend_from_slice(&rest[..length.unwrap_or(rest.len())]);
        let Some(length) = length else {
            *at = text.len();
            return false;
        };
        *at += length + 1;
        if text.get(*at) != Some(&b'"') {
            return true;
        }
        out.push(b'"');
        *at += 1;
    }
}
