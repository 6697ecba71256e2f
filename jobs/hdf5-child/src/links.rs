//! What a file may not do: lead out of itself.

use hdf5_metno::dataset::Layout;
use hdf5_metno::{Dataset, Group, IndexType, IterationOrder, LinkType, LocationType};

use crate::error::{At, ChildError};

/// Groups inside groups followed at most.
const MAX_DEPTH: usize = 32;

/// Opens a group's member that is a hard link to a dataset stored in the file itself.
pub fn dataset(group: &Group, name: &str, place: &str) -> Result<Dataset, ChildError> {
    let dataset = group.dataset(name).at("open", place)?;
    refuse_elsewhere(&dataset, place)?;
    Ok(dataset)
}

/// Refuses a group that holds anything but hard links to groups, datasets and types stored in the file itself.
pub fn refuse_outside(group: &Group, place: &str) -> Result<(), ChildError> {
    refuse_below(group, place, 0)
}

fn refuse_below(group: &Group, place: &str, depth: usize) -> Result<(), ChildError> {
    if depth > MAX_DEPTH {
        return Err(ChildError::content(place, format!("its groups are nested more than {MAX_DEPTH} deep")));
    }
    for (name, info) in group.links(IndexType::Name, IterationOrder::Native).at("list", place)? {
        let place = format!("{place}/{name}");
        match info.link_type {
            LinkType::Hard => {}
            LinkType::Soft => return Err(ChildError::content(place, "it is a soft link, which a cut does not follow")),
            LinkType::External => {
                return Err(ChildError::content(place, "it is a link to another file, which is refused"));
            }
        }
        match group.loc_type_by_name(&name).at("look at", place.as_str())? {
            LocationType::Group => refuse_below(&group.group(&name).at("open", place.as_str())?, &place, depth + 1)?,
            LocationType::Dataset => drop(dataset(group, &name, &place)?),
            LocationType::NamedDatatype => {}
        }
    }
    Ok(())
}

fn refuse_elsewhere(dataset: &Dataset, place: &str) -> Result<(), ChildError> {
    let plist = dataset.dcpl().at("look at", place)?;
    if !plist.external().is_empty() {
        return Err(ChildError::content(place, "its data lie in another file (external storage), which is refused"));
    }
    if matches!(dataset.layout(), Layout::Virtual) {
        return Err(ChildError::content(place, "it is a virtual dataset, whose data lie elsewhere, which is refused"));
    }
    Ok(())
}
