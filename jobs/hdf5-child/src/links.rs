//! What a file may not do: lead out of itself.

use hdf5_metno::dataset::Layout;
use hdf5_metno::{Dataset, Group};

use crate::error::{At, ChildError};

/// Opens a group's member that is a hard link to a dataset stored in the file itself.
pub fn dataset(group: &Group, name: &str, place: &str) -> Result<Dataset, ChildError> {
    let dataset = group.dataset(name).at("open", place)?;
    refuse_elsewhere(&dataset, place)?;
    Ok(dataset)
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
