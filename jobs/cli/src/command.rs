//! The commands, one module each.

mod cut;
mod decode_table;
mod demo;
mod explain;
mod ingest;
mod init;
mod inspect;
mod jobs;
mod keys;
mod make_gaia;
mod nodes;
mod query;
mod report;
mod serve;
mod status;
mod tables;
mod token;
mod work;

use clap::CommandFactory;

use crate::arguments::{Arguments, Command};
use crate::error::CommandError;
use crate::site::Site;

/// Does what the command line asks for.
///
/// # Errors
/// When it cannot be done.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let site = || Site::open(&arguments.site);
    match arguments.command {
        Command::Demo(demo) => demo::run(demo).await,
        Command::Init(init) => init::run(&arguments.site, init).await,
        Command::Up => nodes::up(&site()?).await,
        Command::Down => nodes::down(&site()?).await,
        Command::Status(options) => status::run(&site()?, options.json).await,
        Command::MakeGaia(make) => make_gaia::run(&make.options).await,
        Command::Ingest(ingest) => ingest::run(site()?, ingest).await,
        Command::Query(query) => query::run(&site()?, query).await,
        Command::Explain(explain) if explain.parse_only => explain::parse(&explain.adql),
        Command::Explain(explain) => explain::run(&site()?, explain).await,
        Command::Cut(cut) => cut::run(&arguments.site, cut).await,
        Command::Inspect(options) => inspect::run(&options).await,
        Command::Serve(serve) => serve::run(site()?, serve).await,
        Command::Token(token) => token::run(&site()?, token),
        Command::Keys(keys) => keys::run(&site()?, keys).await,
        Command::Jobs(jobs) => jobs::run(site()?, jobs).await,
        Command::Work { folder, attempt } => work::run(&folder, attempt).await,
        Command::Tables(tables) => tables::run(&site()?, tables).await,
        Command::Settings => {
            print!("{}", site()?.settings.masked()?);
            Ok(())
        }
        Command::DecodeTable(table) => decode_table::run(&table),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "spolia", &mut script);
            print!("{}", String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}
