//! The peers that read by libhdf5 or from an index of its making: hdf5-metno with rayon, and hidefix with a rayon loop around it.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use hdf5::types::{FixedAscii, FloatSize, IntSize, TypeDescriptor};
use hdf5::{Dataset, File, Group, H5Type, Selection};
use hidefix::prelude::{Extents, Index};
use rayon::prelude::*;

use crate::picks::{Picks, Set, fastest};

/// A text of the file sets.
type Text = FixedAscii<16>;

/// Seconds of the fastest run of hdf5-metno: columns in parallel, the rows of a column with one selection of points; merged and
/// written.
pub fn metno(set: &Set, picks: &Picks, output: &Path, runs: usize) -> Result<f64> {
    fastest(runs, Some(output), || {
        let started = Instant::now();
        let files = chosen(set, picks).map(|(file, rows)| Ok((File::open(file)?, rows))).collect::<Result<Vec<_>>>()?;
        let names = files.first().context("a file")?.0.group("Source")?.member_names()?;
        let columns: Vec<Values> = names.par_iter().map(|name| Values::read(&files, name)).collect::<Result<_>>()?;
        let out = File::create(output)?.create_group("Source")?;
        for (name, values) in names.iter().zip(&columns) {
            values.write(&out, name)?;
        }
        Ok(started.elapsed().as_secs_f64())
    })
}

/// Columns whose elements have 1 and 16 bytes: hidefix 0.12 ends in a panic where such are shuffled.
const NOT_BY_HIDEFIX: [&str; 2] = ["flag", "class"];

/// What an index by hidefix costs, and seconds of the fastest run with it. It only reads.
pub struct Hidefix {
    pub index_seconds: f64,
    pub seconds: f64,
}

/// Reads row by row with a cache of chunks, columns of files in parallel.
pub fn hidefix(set: &Set, picks: &Picks, runs: usize) -> Result<Hidefix> {
    let started = Instant::now();
    let indexed = chosen(set, picks)
        .map(|(file, rows)| {
            let mut names = File::open(&file)?.group("Source")?.member_names()?;
            names.retain(|name| !NOT_BY_HIDEFIX.contains(&name.as_str()));
            Ok((Index::index(&file)?, names, rows))
        })
        .collect::<Result<Vec<_>>>()?;
    let index_seconds = started.elapsed().as_secs_f64();
    let columns: Vec<_> =
        indexed.iter().flat_map(|(index, names, rows)| names.iter().map(move |name| (index, name, rows))).collect();
    let seconds = fastest(runs, None, || {
        let started = Instant::now();
        columns.par_iter().try_for_each(|(index, name, rows)| {
            let group = index.group("Source").context("a group")?;
            let mut reader = group.reader(name)?;
            let width: u64 = reader.shape()[1..].iter().product();
            let mut row = vec![0; reader.dsize() * width as usize];
            for number in rows.iter() {
                let mut counts = reader.shape().to_vec();
                let mut starts = vec![0; counts.len()];
                (starts[0], counts[0]) = (*number, 1);
                reader.read_to(&Extents::try_from((starts, counts))?, &mut row)?;
            }
            Ok::<_, anyhow::Error>(())
        })?;
        Ok(started.elapsed().as_secs_f64())
    })?;
    Ok(Hidefix { index_seconds, seconds })
}

fn chosen<'a>(set: &'a Set, picks: &'a Picks) -> impl Iterator<Item = (std::path::PathBuf, &'a Vec<u64>)> {
    let files = set.files.iter().map(|file| set.folder.join(file));
    files.zip(&picks.0).filter(|(_, numbers)| !numbers.is_empty())
}

/// The chosen rows of a column.
enum Values {
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int64(Vec<i64>),
    Float32(Vec<f32>, usize),
    Float64(Vec<f64>),
    Text(Vec<Text>),
}

impl Values {
    fn read(files: &[(File, &Vec<u64>)], name: &str) -> Result<Self> {
        let columns = files.iter().map(|(file, rows)| Ok((file.dataset(&format!("Source/{name}"))?, *rows)));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let first = &columns[0].0;
        let width = first.shape().get(1).copied().unwrap_or(1);
        Ok(match first.dtype()?.to_descriptor()? {
            TypeDescriptor::Integer(IntSize::U1) => Self::Int8(rows(&columns)?),
            TypeDescriptor::Integer(IntSize::U2) => Self::Int16(rows(&columns)?),
            TypeDescriptor::Integer(IntSize::U8) => Self::Int64(rows(&columns)?),
            TypeDescriptor::Float(FloatSize::U4) => Self::Float32(rows(&columns)?, width),
            TypeDescriptor::Float(FloatSize::U8) => Self::Float64(rows(&columns)?),
            TypeDescriptor::FixedAscii(16) => Self::Text(rows(&columns)?),
            other => bail!("a column {name} of the type {other}"),
        })
    }

    fn write(&self, group: &Group, name: &str) -> Result<()> {
        match self {
            Self::Int8(values) => group.new_dataset_builder().with_data(values).create(name)?,
            Self::Int16(values) => group.new_dataset_builder().with_data(values).create(name)?,
            Self::Int64(values) => group.new_dataset_builder().with_data(values).create(name)?,
            Self::Float64(values) => group.new_dataset_builder().with_data(values).create(name)?,
            Self::Text(values) => group.new_dataset_builder().with_data(values).create(name)?,
            Self::Float32(values, width) => {
                let dataset = group.new_dataset::<f32>().shape((values.len() / width, *width)).create(name)?;
                dataset.write_raw(values)?;
                dataset
            }
        };
        Ok(())
    }
}

fn rows<T: H5Type + Clone>(columns: &[(Dataset, &Vec<u64>)]) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for (column, rows) in columns {
        let width = column.shape().get(1).copied();
        let points: Vec<usize> = match width {
            None => rows.iter().map(|row| *row as usize).collect(),
            Some(width) => rows.iter().flat_map(|row| (0..width).flat_map(move |n| [*row as usize, n])).collect(),
        };
        let rank = column.ndim();
        let points = hdf5_ndarray::Array2::from_shape_vec((points.len() / rank, rank), points)?;
        all.extend(column.read_slice_1d::<T, _>(Selection::from(points))?.iter().cloned());
    }
    Ok(all)
}
