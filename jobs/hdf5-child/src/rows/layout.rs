//! How a file lays its objects out: a group for each, or a table of columns.

use hdf5_metno::{File, Group};
use spolia_cutout::RowModel;

use crate::error::{At, ChildError};

/// Where a file keeps its objects.
pub enum Layout {
    /// One group per object, by number.
    Objects(Vec<i64>),
    /// One dataset per field, a row per object.
    Table {
        /// The group of the columns.
        group: Group,
        /// The number of rows.
        rows: usize,
    },
}

impl Layout {
    /// Looks for a group named by the class, else for groups named by the object.
    pub fn find(file: &File, model: &RowModel, place: &str) -> Result<Self, ChildError> {
        if let Ok(group) = file.group(&model.class) {
            let rows = table_length(&group, &format!("{place}/{}", model.class))?;
            return Ok(Self::Table { group, rows });
        }
        let numbers = object_numbers(file, &model.object, place)?;
        if numbers.is_empty() {
            let fault = format!("it holds no object {}_<n> and no table {}", model.object, model.class);
            return Err(ChildError::content(place, fault));
        }
        Ok(Self::Objects(numbers))
    }
}

/// The numbers of the groups named `<object>_<n>`, ascending.
pub fn object_numbers(file: &File, object: &str, place: &str) -> Result<Vec<i64>, ChildError> {
    let prefix = format!("{object}_");
    let names = file.member_names().at("list", place)?;
    let number = |name: &String| name.strip_prefix(&prefix).and_then(canonical);
    let mut numbers: Vec<i64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// A number as it is written in a name: no sign, no leading zero, below 2^32.
fn canonical(digits: &str) -> Option<i64> {
    let number = digits.parse::<u32>().ok()?;
    (number.to_string() == digits).then_some(i64::from(number))
}

/// The number of rows, which all columns must agree on.
pub fn table_length(group: &Group, place: &str) -> Result<usize, ChildError> {
    let mut length = None;
    for name in group.member_names().at("list", place)? {
        let place = format!("{place}/{name}");
        let shape = crate::links::dataset(group, &name, &place)?.shape();
        let rows =
            *shape.first().ok_or_else(|| ChildError::content(place.as_str(), "a column of a table has no rows"))?;
        if *length.get_or_insert(rows) != rows {
            return Err(ChildError::content(
                place,
                format!("it has {rows} rows where other columns have {}", length.unwrap_or(0)),
            ));
        }
    }
    length.ok_or_else(|| ChildError::content(place, "the table has no columns"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn numbers_in_names_are_canonical() {
        assert_eq!(canonical("5369"), Some(5369));
        for digits in ["", "05", "+5", "-1", "4294967296", "1a"] {
            assert_eq!(canonical(digits), None, "{digits}");
        }
    }
}
