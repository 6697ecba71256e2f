//! Writing and reading tables in the formats of the TAP door against astropy and the `votable` crate: rows per second, and ratios to the
//! peers in the same run. Everything is in memory but what is read, which everybody reads from a file.

mod astropy;
mod ours;
mod votable_crate;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use astropy::Astropy;
use clap::Parser;
use ours::Ours;
use votable_crate::VotableCrate;

/// Times writing and reading of one table by us and by our peers.
#[derive(Parser)]
struct Arguments {
    /// Rows of the table.
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// Rounds, in which everybody takes a turn.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// The Python that has astropy.
    #[arg(long, env = "SPOLIA_PYTHON")]
    python: PathBuf,
}

/// Who writes and reads.
trait Writes {
    fn name(&self) -> &'static str;
    /// Writes the table in a format of [`ours::FORMATS`]; the number of bytes, or none where it does not know the format.
    fn write(&mut self, format: &str) -> Result<Option<usize>>;
    /// Reads the table in a file of this format; the number of rows, or none where it does not know the format.
    fn read(&mut self, format: &str) -> Result<Option<usize>>;
}

type Act = fn(&mut dyn Writes, &str) -> Result<Option<usize>>;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let ours = Ours::new(arguments.rows, folder.path())?;
    let votable = VotableCrate::new(&ours)?;
    let astropy = Astropy::start(&arguments.python, &ours)?;
    let mut all: [Box<dyn Writes>; 3] = [Box::new(ours), Box::new(votable), Box::new(astropy)];
    let processors = std::thread::available_parallelism()?;
    println!("## Formats: {} rows of 8 columns, {} rounds, {processors} processors", arguments.rows, arguments.rounds);
    let acts: [(&str, Act); 2] = [("write", |who, format| who.write(format)), ("read", |who, format| who.read(format))];
    for (act, run) in acts {
        println!("\n### To {act}, in million rows per second\n");
        println!("| format | Spolia | `votable` 0.7 | astropy | times `votable` | times astropy |\n|---|--:|--:|--:|--:|--:|");
        for (format, _) in ours::FORMATS {
            let rates = rates(&mut all, format, run, &arguments)?;
            println!("| {format} | {} |", line(rates));
        }
    }
    Ok(())
}

/// Million rows per second of each who knows the format: the median of the rounds after a first one.
fn rates(all: &mut [Box<dyn Writes>; 3], format: &str, run: Act, arguments: &Arguments) -> Result<[Option<f64>; 3]> {
    let mut seconds: [Vec<f64>; 3] = Default::default();
    for round in 0..=arguments.rounds {
        for (who, seconds) in all.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            let done = run(who.as_mut(), format)?;
            let took = start.elapsed().as_secs_f64();
            anyhow::ensure!(done.is_none_or(|count| count >= arguments.rows), "{} of {format}: {done:?}", who.name());
            if round > 0 && done.is_some() {
                seconds.push(took);
            }
        }
    }
    Ok(seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).map(|median| arguments.rows as f64 / median / 1e6)
    }))
}

fn line([ours, votable, astropy]: [Option<f64>; 3]) -> String {
    let shown = |rate: Option<f64>, digits| rate.map_or("-".to_owned(), |rate| format!("{rate:.digits$}"));
    let times = |peer: Option<f64>| ours.zip(peer).map(|(ours, peer)| ours / peer);
    let rates = [ours, votable, astropy].map(|rate| shown(rate, 3));
    let ratios = [times(votable), times(astropy)].map(|ratio| shown(ratio, 1));
    rates.into_iter().chain(ratios).collect::<Vec<_>>().join(" | ")
}
