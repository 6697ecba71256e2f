//! The command line.

mod jobs;

use std::path::PathBuf;
use std::str::FromStr;

pub use jobs::{
    Asked, CutWhat, IngestWhat, Jobs, List, Manner, Report, Retry, Submit, SubmitCut, SubmitIngest, SubmitVerify, Wait,
};

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// A sky archive: metadata in many PostgreSQL nodes, bytes in HDF5 files, one small HDF5 with just the objects you picked.
#[derive(Debug, Parser)]
#[command(name = "spolia", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// The site's folder; it holds spolia.toml
    #[arg(long, global = true, env = "SPOLIA_SITE", default_value = ".", value_hint = ValueHint::DirPath)]
    pub site: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  spolia demo --once /tmp/site                       the whole path, from real stars to a merged file
  spolia init mysite && cd mysite && spolia up       an empty site with four local nodes
  spolia ingest gaia files/*.h5                      bring files in
  spolia query 'SELECT TOP 5 source_id, alpha, delta FROM gaia.completesource'
  spolia cut --ids 3425114617586286848 --with-transits -o merged.h5
  spolia serve                                       TAP, DataLink and Arrow Flight";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a site from real stars, ingests, asks, cuts and merges, prints what it did; then serves
    Demo(Demo),
    /// Makes an empty site, or brings an existing one up to this version
    Init(Init),
    /// Starts the nodes that the site runs itself
    Up,
    /// Stops the nodes that the site runs itself
    Down,
    /// Shows the nodes, the epoch and what is archived
    Status(Json),
    /// Writes Gaia-shaped HDF5 files for trials, from real stars
    MakeGaia(MakeGaia),
    /// Brings files into a collection
    Ingest(Ingest),
    /// Answers an ADQL query
    Query(Query),
    /// Shows which nodes a query asks, which it skips and why, and the SQL they get
    Explain(Explain),
    /// Cuts objects out of their files and merges them into one
    Cut(Cut),
    /// Shows what is in HDF5 files: objects, layouts, filters, chunks; needs no site
    Inspect(Inspect),
    /// Serves TAP, DataLink, files and Arrow Flight
    Serve(Serve),
    /// Makes, lists and revokes tokens, by which people are known at the doors
    #[command(subcommand)]
    Token(Token),
    /// Lists, changes and forgets the keys that sign links
    #[command(subcommand)]
    Keys(Keys),
    /// Makes, lists, watches and ends jobs: work that a scheduler runs
    #[command(subcommand)]
    Jobs(Jobs),
    /// Works alone on the order in a job's folder; the local scheduler calls it
    #[command(hide = true)]
    Work {
        /// The folder
        folder: PathBuf,
        /// The number of the attempt
        attempt: u32,
    },
    /// Lists and drops tables that users keep
    #[command(subcommand)]
    Tables(Tables),
    /// Prints the effective settings, secrets masked
    Settings,
    /// Writes a table as an Arrow IPC stream, within bounds; `spolia serve` calls it
    #[command(hide = true)]
    DecodeTable(DecodeTable),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Makes a token and prints it; only its hash is kept
    Add {
        /// Whose it is
        name: String,
        /// A group that its holder is in; repeat it for more
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// The last day on which it holds, such as 2027-12-31 (UTC)
        #[arg(long, value_name = "DAY")]
        expires: Option<chrono::NaiveDate>,
    },
    /// Lists names, groups and last days
    List,
    /// Makes a token worthless
    Revoke {
        /// Whose it is
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Lists versions, newest first, and when they were made
    List,
    /// Makes a new key, which signs from now on; links of older ones still hold
    Rotate,
    /// Forgets an older key, and with it all links that it has signed
    Forget {
        /// The key's version
        version: i32,
    },
}

#[derive(Debug, Subcommand)]
pub enum Tables {
    /// Lists the tables of all users
    List {
        /// Print JSON, a line for each table
        #[arg(long)]
        json: bool,
    },
    /// Drops a table
    Drop {
        /// Its name, with the schema: user_ada.stars
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct DecodeTable {
    /// Rows at most
    #[arg(long)]
    pub rows: usize,
    /// Megabytes of memory at most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub memory_mb: u32,
    /// The file; its extension says the format
    pub path: PathBuf,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// The site's folder; made if it is not there
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Sources to make; their transits are twelve times as many
    #[arg(long, default_value_t = 4000)]
    pub sources: u32,
    /// Local PostgreSQL nodes
    #[arg(long, default_value_t = 4)]
    pub shards: u32,
    /// End after the report instead of serving
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The site's folder; the one of --site where it is not given
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Local PostgreSQL nodes
    #[arg(long, default_value_t = 4)]
    pub shards: u32,
    /// A node that runs elsewhere, by URL; repeat for each. No local nodes are made then
    #[arg(long = "node", value_name = "URL")]
    pub nodes: Vec<String>,
}

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct MakeGaia {
    /// Handed to `spolia-make-gaia`; try --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    pub options: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Running it again after an interruption goes on where it stopped.\n
Examples:
  spolia ingest gaia files/*.h5
  spolia ingest gaia --supersede CompleteSource_130097_0003.h5
  spolia ingest my-model.toml files/*.h5
  spolia ingest gaia @files.txt --scheduler slurm --ranks 16")]
pub struct Ingest {
    #[command(flatten)]
    pub what: IngestWhat,
    /// Have a job do it: local (a process of this machine) or slurm
    #[arg(long)]
    pub scheduler: Option<String>,
    /// Ranks of the job
    #[arg(long, requires = "scheduler")]
    pub ranks: Option<u32>,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "scheduler")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spolia query \"SELECT TOP 5 source_id, alpha, delta FROM gaia.completesource WHERE varpi > 10 ORDER BY varpi DESC\"
  spolia query -o near.vot \"SELECT * FROM gaia.completesource
      WHERE 1 = CONTAINS(POINT(DEGREES(alpha), DEGREES(delta)), CIRCLE(92.7, 23.0, 0.5))\"")]
pub struct Query {
    /// The query, ADQL 2.1; `-` reads it from standard input
    pub adql: String,
    /// text, csv, tsv, ecsv, json, html, votable, votable/b2, votable/b, arrow, parquet or fits; by the output's extension, else text
    #[arg(long, short)]
    pub format: Option<String>,
    /// The file to write; standard output where it is not given
    #[arg(long, short, value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Rows at most
    #[arg(long)]
    pub maxrec: Option<usize>,
    /// A table of yours, as name=file (.csv, .ecsv, .vot, .fits, .parquet, .arrow); the query names it TAP_UPLOAD.name
    #[arg(long, value_name = "NAME=FILE")]
    pub upload: Vec<UploadedFile>,
}

/// A file whose table comes with a query.
#[derive(Debug, Clone)]
pub struct UploadedFile {
    pub name: String,
    pub path: PathBuf,
}

impl FromStr for UploadedFile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = text.split_once('=').ok_or("write it as name=file, for example stars=my_stars.csv")?;
        Ok(Self { name: name.to_owned(), path: path.into() })
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spolia explain --analyze \"SELECT COUNT(*) AS n FROM gaia.completesource\"
  spolia explain --parse-only - < query.adql                          no site needed; exit status 0 where it is ADQL 2.1")]
pub struct Explain {
    /// The query, ADQL 2.1; `-` reads it from standard input
    pub adql: String,
    /// Run the query, and tell the rows, bytes and time of each step
    #[arg(long)]
    pub analyze: bool,
    /// Only see whether it is ADQL 2.1; tables, columns and functions need not exist
    #[arg(long, conflicts_with_all = ["analyze", "upload", "json"])]
    pub parse_only: bool,
    /// A table of yours, as for `spolia query`
    #[arg(long, value_name = "NAME=FILE")]
    pub upload: Vec<UploadedFile>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spolia cut --ids 3425114617586286848,3425114617586288128 --with-transits -o merged.h5
  spolia cut --ids @ids.txt -o merged.h5
  spolia cut --adql 'SELECT id FROM gaia.astroelementary WHERE transit_id = 71044382629193047' -o transit.h5
  spolia cut --again merged.h5 -o copy.h5                              the same bytes

Any HDF5 files, without a site:
  spolia cut a.h5 b.h5 --ids @ids.txt -o merged.h5                    objects or rows whose source_id is in ids.txt
  spolia cut table.h5 --rows 0-99,5000 -o some.h5
  spolia cut s3://bucket/a.h5 --objects star_1,star_7 -o two.h5       credentials as for the AWS tools: AWS_ACCESS_KEY_ID, …")]
pub struct Cut {
    /// HDF5 files to cut from, local or by URL (s3://, http://, https://), instead of the site's
    #[arg(value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,
    /// Source ids, separated by commas; @FILE reads them from a file, one a line
    #[arg(long, group = "chosen")]
    pub ids: Option<String>,
    /// A query that returns the column id (of any table) or source_id
    #[arg(long, group = "chosen", conflicts_with = "files")]
    pub adql: Option<String>,
    /// Rows of the files' tables, counted from 0: 7,100-199
    #[arg(long, group = "chosen", requires = "files")]
    pub rows: Option<String>,
    /// Names of the files' objects, separated by commas; @FILE reads them from a file
    #[arg(long, group = "chosen", requires = "files")]
    pub objects: Option<String>,
    /// The column, dataset or attribute of the files that --ids are values of
    #[arg(long, requires = "files", default_value = "source_id")]
    pub id_field: String,
    /// The group of the files that holds the columns of the table, or the objects
    #[arg(long = "in", value_name = "GROUP", requires = "files")]
    pub group: Option<String>,
    /// Add the transits of the chosen sources
    #[arg(long, conflicts_with = "files")]
    pub with_transits: bool,
    /// Keep chosen transits that no chosen source matches
    #[arg(long, conflicts_with = "files")]
    pub keep_unmatched: bool,
    /// Make a merged file again, from what it says of itself; the files must still be where they were
    #[arg(long, group = "chosen", conflicts_with = "files", value_name = "MERGED", value_hint = ValueHint::FilePath)]
    pub again: Option<PathBuf>,
    /// Take only these columns, or members and attributes of objects
    #[arg(long, value_delimiter = ',', value_name = "FIELD", conflicts_with = "again")]
    pub fields: Vec<String>,
    /// Make objects with groups of their own rows of columns: a column for each of their datasets and attributes
    #[arg(long, conflicts_with = "again")]
    pub packed: bool,
    /// Compress columns (shuffle and deflate), from 1 (fast) to 9 (small)
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, default_missing_value = "4",
        value_parser = clap::value_parser!(u8).range(1..=9), conflicts_with = "again")]
    pub compress: Option<u8>,
    /// Mebibytes of memory to take at most, about; 2048 where nothing is said here or in the site's settings
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u64>,
    /// Say what would be read and written and how long it would take, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Say what was asked for, read and written
    #[arg(long)]
    pub report: bool,
    /// The file to write
    #[arg(long, short, value_hint = ValueHint::FilePath, required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// Have a job do it, and wait for that: local (a process of its own) or slurm
    #[arg(long, conflicts_with_all = ["files", "again", "dry_run", "report"])]
    pub scheduler: Option<String>,
    /// Ranks of the job
    #[arg(long, requires = "scheduler")]
    pub ranks: Option<u32>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spolia inspect CompleteSource_130097_0001.h5
  spolia inspect --json --digest a.h5 b.h5         a JSON object a line, with each chunk and the SHA-256 of the elements")]
pub struct Inspect {
    /// The files, local or by URL (s3://, http://, https://)
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,
    /// Print JSON, a line for each file
    #[arg(long)]
    pub json: bool,
    /// Decode all elements and give their SHA-256
    #[arg(long)]
    pub digest: bool,
    /// Only compare merged files with the checksums that they end with
    #[arg(long, conflicts_with_all = ["json", "digest"])]
    pub verify: bool,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Address of the HTTP doors
    #[arg(long)]
    pub listen: Option<std::net::SocketAddr>,
    /// Address of Arrow Flight
    #[arg(long)]
    pub flight_listen: Option<std::net::SocketAddr>,
    /// The URL that links in answers begin with, where it is not the address itself
    #[arg(long)]
    pub base_url: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
