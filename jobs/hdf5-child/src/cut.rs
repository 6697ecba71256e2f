//! Cutting objects out of files and merging them into one.

mod provenance;
mod table;

use std::path::Path;
use std::time::Instant;

use hdf5_metno::{File, Group};
use spolia_cutout::{CutFile, CutPlan, CutReport};

use crate::cut::provenance::Origin;
use crate::cut::table::MergedTable;
use crate::error::{At, ChildError};
use crate::links::refuse_outside;
use crate::rows::open;

/// Cuts and merges; the plan's files are local paths, in the order of the merged file.
pub fn cut(plan: &CutPlan, output: &Path) -> Result<CutReport, ChildError> {
    let started = Instant::now();
    let place = output.display().to_string();
    let merged = File::create(output).at("create", place.as_str())?;
    let mut origins = Vec::new();
    let mut tables: Vec<MergedTable> = Vec::new();
    for (number, file) in plan.files.iter().enumerate() {
        let source = open(Path::new(&file.location))?;
        match source.group(&file.class) {
            Ok(group) => {
                let table = match tables.iter_mut().find(|table| table.class == file.class) {
                    Some(table) => table,
                    None => {
                        let rows = rows_of_class(plan, &file.class)?;
                        tables.push(MergedTable::new(&merged, &group, &file.class, rows, &file.file_name)?);
                        tables.last_mut().ok_or_else(|| ChildError::content(place.as_str(), "no table was made"))?
                    }
                };
                let first = table.append(&group, &file.ordinals, &file.file_name)?;
                let row = |(i, ordinal): (usize, &i64)| Origin::row(&file.class, first + i as u64, number, *ordinal);
                origins.extend(file.ordinals.iter().enumerate().map(row));
            }
            Err(_) => {
                copy_objects(&source, &merged, file)?;
                let object = |ordinal: &i64| Origin::object(&object_path(file, *ordinal), number, *ordinal);
                origins.extend(file.ordinals.iter().map(object));
            }
        }
    }
    let copy_ms = started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    provenance::write(&merged, plan, &origins)?;
    merged.close().at("close", place.as_str())?;
    let file = std::fs::File::open(output).map_err(ChildError::file(output, "read back"))?;
    file.sync_all().map_err(ChildError::file(output, "write"))?;
    let bytes_written = file.metadata().map_err(ChildError::file(output, "read back"))?.len();
    Ok(CutReport {
        objects: origins.len() as u64,
        bytes_written,
        copy_ms,
        close_ms: started.elapsed().as_secs_f64() * 1e3,
    })
}

/// Rows that the merged table of a class will have: those of all files that keep the class as a table.
fn rows_of_class(plan: &CutPlan, class: &str) -> Result<u64, ChildError> {
    let mut rows = 0;
    for file in plan.files.iter().filter(|file| file.class == class) {
        if open(Path::new(&file.location))?.group(class).is_ok() {
            rows += file.ordinals.len() as u64;
        }
    }
    Ok(rows)
}

fn object_path(file: &CutFile, ordinal: i64) -> String {
    format!("/{}/{}_{ordinal}", file.file_name, file.object)
}

/// Copies groups whole, with all that is in them, under a group named after their file.
fn copy_objects(source: &File, merged: &Group, file: &CutFile) -> Result<(), ChildError> {
    let target = merged.create_group(&file.file_name).at("make the group of", file.file_name.as_str())?;
    for ordinal in &file.ordinals {
        let name = format!("{}_{ordinal}", file.object);
        let place = format!("{}/{name}", file.file_name);
        let group = source.group(&name).at("find the object", place.as_str())?;
        refuse_outside(&group, &place)?;
        group.copy_to(&target, &name).at("copy", place.as_str())?;
    }
    Ok(())
}
