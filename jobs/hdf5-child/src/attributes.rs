//! Attributes of objects: copied, and compared.

use hdf5_metno::Location;

use crate::error::{At, ChildError};
use crate::raw::{copy_attribute, same_attribute};

/// Copies all attributes of an object.
pub fn copy(from: &Location, to: &Location, place: &str) -> Result<(), ChildError> {
    for name in from.attr_names().at("list the attributes of", place)? {
        copy_attribute(from, to, &name).at("copy an attribute of", format!("{place}@{name}"))?;
    }
    Ok(())
}

/// The name of an attribute that the two objects do not have alike.
pub fn difference(a: &Location, b: &Location, place: &str) -> Result<Option<String>, ChildError> {
    let names = |object: &Location| {
        let names = object.attr_names().at("list the attributes of", place);
        names.map(|mut names| {
            names.sort();
            names
        })
    };
    let (a_names, b_names) = (names(a)?, names(b)?);
    if let Some(only) =
        a_names.iter().find(|name| !b_names.contains(name)).or(b_names.iter().find(|name| !a_names.contains(name)))
    {
        return Ok(Some(only.clone()));
    }
    for name in a_names {
        if !same_attribute(a, b, &name).at("compare an attribute of", format!("{place}@{name}"))? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
