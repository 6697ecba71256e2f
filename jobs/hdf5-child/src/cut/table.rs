//! The merged table of a class: chosen rows of the columns of many files.

use std::ops::Range;

use hdf5_metno::{Dataset, Group};

use crate::attributes;
use crate::error::{At, ChildError};
use crate::links::dataset;
use crate::raw::{copy_rows, create_like, same_type};

/// A table in the merged file, filled file by file.
pub struct MergedTable {
    /// The class of its rows.
    pub class: String,
    group: Group,
    columns: Vec<(String, Dataset)>,
    /// The file whose columns it has.
    first_file: String,
    rows: u64,
}

impl MergedTable {
    /// An empty table with the columns of the first file.
    pub fn new(merged: &Group, source: &Group, class: &str, rows: u64, file: &str) -> Result<Self, ChildError> {
        let group = merged.create_group(class).at("make the table", class)?;
        attributes::copy(source, &group, class)?;
        let mut columns = Vec::new();
        for name in source.member_names().at("list", class)? {
            let place = format!("{file}/{class}/{name}");
            let like = dataset(source, &name, &place)?;
            let column = create_like(&like, &group, &name, rows).at("make the column", place.as_str())?;
            attributes::copy(&like, &column, &place)?;
            columns.push((name, column));
        }
        Ok(Self { class: class.to_owned(), group, columns, first_file: file.to_owned(), rows: 0 })
    }

    /// Appends rows of another file; returns the number of the first one in the merged table.
    pub fn append(&mut self, source: &Group, ordinals: &[i64], file: &str) -> Result<u64, ChildError> {
        let place = format!("{file}/{}", self.class);
        if source.len() != self.group.len() {
            return Err(self.unlike(file, "another number of columns"));
        }
        if let Some(name) = attributes::difference(source, &self.group, &place)? {
            return Err(self.unlike(file, &format!("another value of the attribute {name:?}")));
        }
        let runs = runs(ordinals);
        for (name, target) in &self.columns {
            let place = format!("{place}/{name}");
            if !source.link_exists(name) {
                return Err(self.unlike(file, &format!("no column {name:?}")));
            }
            let column = dataset(source, name, &place)?;
            self.check_column(&column, target, file, name)?;
            let rows = column.shape()[0] as u64;
            if let Some(run) = runs.iter().find(|run| run.end > rows) {
                return Err(ChildError::content(place, format!("it has {rows} rows and no row {}", run.end - 1)));
            }
            copy_rows(&column, &runs, target, self.rows).at("copy rows of", place.as_str())?;
        }
        let first = self.rows;
        self.rows += ordinals.len() as u64;
        Ok(first)
    }

    fn check_column(&self, column: &Dataset, target: &Dataset, file: &str, name: &str) -> Result<(), ChildError> {
        let place = format!("{file}/{}/{name}", self.class);
        if !same_type(column, target).at("compare the type of", place.as_str())? {
            return Err(self.unlike(file, &format!("another type in column {name:?}")));
        }
        if column.shape().get(1..) != target.shape().get(1..) {
            return Err(self.unlike(file, &format!("another shape in column {name:?}")));
        }
        match attributes::difference(column, target, &place)? {
            Some(attribute) => {
                Err(self.unlike(file, &format!("another value of the attribute {attribute:?} on column {name:?}")))
            }
            None => Ok(()),
        }
    }

    fn unlike(&self, file: &str, what: &str) -> ChildError {
        let fault = format!("it has {what} than {}; tables that differ are not merged into one", self.first_file);
        ChildError::content(format!("{file}/{}", self.class), fault)
    }
}

/// Ascending numbers as runs of neighbours.
fn runs(ordinals: &[i64]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for ordinal in ordinals.iter().map(|ordinal| *ordinal as u64) {
        match runs.last_mut() {
            Some(run) if run.end == ordinal => run.end += 1,
            _ => runs.push(ordinal..ordinal + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    #[test]
    fn neighbours_are_read_together() {
        assert_eq!(super::runs(&[0, 1, 2, 7, 9, 10]), [0..3, 7..8, 9..11]);
    }
}
