//! The command line of jobs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use spolia_queue::{ExecutionPhase, Resources, mebibytes, minutes};

#[derive(Debug, Subcommand)]
pub enum Jobs {
    /// Makes a job and hands it to a scheduler; prints its id
    #[command(subcommand)]
    Submit(Box<Submit>),
    /// Lists jobs, newest first
    List(List),
    /// Shows a job, its attempts and its results
    Show {
        /// Its id, or the beginning of it
        job: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints what its ranks have told, in the order of time
    Logs {
        /// Its id, or the beginning of it
        job: String,
    },
    /// Waits until jobs have ended; exit status 1 unless all of them have completed
    Wait {
        /// Their ids, or the beginnings of them
        #[arg(required = true)]
        jobs: Vec<String>,
    },
    /// Ends jobs; what was done of them is kept for a retry
    Cancel {
        /// Their ids, or the beginnings of them
        #[arg(required = true)]
        jobs: Vec<String>,
    },
    /// Makes a new job of one that has failed or was ended, which goes on from what was done
    Retry(Box<Retry>),
    /// Tells what a job took: time, processors, memory and bytes, by stage and by rank
    Report(Report),
}

#[derive(Debug, Subcommand)]
pub enum Submit {
    /// Cut & Merge
    Cut(SubmitCut),
    /// Brings files into a collection, all in one epoch
    Ingest(SubmitIngest),
    /// Compares a collection's files in the object store with the catalogue
    Verify(SubmitVerify),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spolia jobs submit cut --ids @ids.txt --with-transits --ntasks 4 --time 30 --mem 2G --wait -o merged.h5
  spolia jobs submit cut --adql 'SELECT id FROM gaia.completesource WHERE varpi > 5' --partition long --name near
  spolia jobs submit cut --array queries.txt --name fields            a job for each line of queries.txt
  spolia jobs submit cut --ids @ids.txt --dry-run                     what sbatch would be given
  spolia jobs submit cut --ids @ids.txt --prepare folder              for sbatch by hand")]
pub struct SubmitCut {
    #[command(flatten)]
    pub what: CutWhat,
    /// A file with a query a line, each of which becomes a job of its own
    #[arg(long, group = "chosen", value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["output", "prepare"])]
    pub array: Option<PathBuf>,
    #[command(flatten)]
    pub manner: Manner,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spolia jobs submit ingest gaia @files.txt --ntasks 16 --nodes 4 --time 120 --wait
  spolia jobs submit ingest my-model.toml files/*.h5 --name july")]
pub struct SubmitIngest {
    #[command(flatten)]
    pub what: IngestWhat,
    #[command(flatten)]
    pub manner: Manner,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spolia jobs submit verify gaia --ntasks 16 --time 600
  spolia jobs submit verify gaia --scheduler local --wait -o report.json")]
pub struct SubmitVerify {
    /// The collection
    pub collection: String,
    #[command(flatten)]
    pub manner: Manner,
}

/// How a job is made, whatever it does.
#[derive(Debug, Clone, Default, Args)]
pub struct Manner {
    #[command(flatten)]
    pub asked: Asked,
    #[command(flatten)]
    pub wait: Wait,
    /// Print what the scheduler would be given, and make no job
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// Write all that the work needs into this folder, print the command that has it done, and make no job
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["wait", "dry_run", "dependency", "json"], value_hint = ValueHint::DirPath)]
    pub prepare: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is brought in.
#[derive(Debug, Clone, Args)]
pub struct IngestWhat {
    /// A built-in data model (gaia), or a path to a .toml file
    pub model: String,
    /// The files; @LIST reads their paths from a file, one a line
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,
    /// Replace archived files of the same name and other content
    #[arg(long)]
    pub supersede: bool,
}

/// What is cut.
#[derive(Debug, Clone, Args)]
pub struct CutWhat {
    /// Source ids, separated by commas; @FILE reads them from a file, one a line
    #[arg(long, group = "chosen")]
    pub ids: Option<String>,
    /// A query that returns the column id (of any table) or source_id
    #[arg(long, group = "chosen")]
    pub adql: Option<String>,
    /// Add the transits of the chosen sources
    #[arg(long)]
    pub with_transits: bool,
    /// Keep chosen transits that no chosen source matches
    #[arg(long)]
    pub keep_unmatched: bool,
    /// Take only these columns, or members and attributes of objects
    #[arg(long, value_delimiter = ',', value_name = "FIELD")]
    pub fields: Vec<String>,
    /// Make objects with groups of their own rows of columns: a column for each of their datasets and attributes
    #[arg(long)]
    pub packed: bool,
    /// Compress columns (shuffle and deflate), from 1 (fast) to 9 (small)
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, default_missing_value = "4", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub compress: Option<u8>,
}

/// What is asked of a scheduler, in the words of sbatch.
#[derive(Debug, Clone, Default, Args)]
pub struct Asked {
    /// local (processes of this machine) or slurm; that of the settings where nothing is said
    #[arg(long)]
    pub scheduler: Option<String>,
    /// What to call the job
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Whose job it is; yours, by your name on this machine, where nothing is said
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// The partition
    #[arg(long)]
    pub partition: Option<String>,
    /// The account that it is charged to
    #[arg(long)]
    pub account: Option<String>,
    /// The quality of service
    #[arg(long)]
    pub qos: Option<String>,
    /// Features that its nodes must have
    #[arg(long)]
    pub constraint: Option<String>,
    /// The time it may take: minutes, hours:minutes:seconds, or days-hours
    #[arg(long, value_parser = minutes)]
    pub time: Option<u32>,
    /// Memory on each node: 512M, 16G
    #[arg(long, value_parser = mebibytes)]
    pub mem: Option<u32>,
    /// Nodes
    #[arg(long)]
    pub nodes: Option<u32>,
    /// Ranks
    #[arg(long)]
    pub ntasks: Option<u32>,
    /// Processors of each rank
    #[arg(long)]
    pub cpus_per_task: Option<u32>,
    /// Jobs that must have completed before, as afterok:JOB:JOB
    #[arg(long, value_name = "afterok:JOB")]
    pub dependency: Option<String>,
}

impl Asked {
    /// The resources, but for the jobs that it waits for.
    pub fn resources(&self) -> Resources {
        Resources {
            partition: self.partition.clone(),
            account: self.account.clone(),
            qos: self.qos.clone(),
            constraint: self.constraint.clone(),
            minutes: self.time,
            memory_mib: self.mem,
            nodes: self.nodes,
            tasks: self.ntasks,
            cpus_per_task: self.cpus_per_task,
            after: Vec::new(),
        }
    }
}

/// Whether the end of a job is waited for.
#[derive(Debug, Clone, Default, Args)]
pub struct Wait {
    /// Wait for its end; Ctrl-C leaves it alone
    #[arg(long)]
    pub wait: bool,
    /// Where the merged file, or the report, is to be when the job has completed
    #[arg(long, short, value_name = "FILE", requires = "wait", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Retry {
    /// The job's id, or the beginning of it
    pub job: String,
    #[command(flatten)]
    pub asked: Asked,
    #[command(flatten)]
    pub wait: Wait,
}

#[derive(Debug, Args)]
pub struct List {
    /// Those of everybody
    #[arg(long)]
    pub all: bool,
    /// Whose; yours, by your name on this machine, where nothing is said
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub owner: Option<String>,
    /// In these phases only: QUEUED, EXECUTING, COMPLETED, ERROR, ABORTED, …
    #[arg(long, value_delimiter = ',')]
    pub phase: Vec<ExecutionPhase>,
    /// The last so many
    #[arg(long, default_value_t = 50)]
    pub last: u32,
    /// Print JSON, a line for each job
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Report {
    /// The job's id, or the beginning of it
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write a page with a timeline of all ranks
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}
