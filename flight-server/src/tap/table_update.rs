//! Changing a user's table by a job: an index on some of its columns. As youcat and pyvo do it.

use spolia_catalogue::UserTable;
use spolia_exec::{column_list, indexable};
use spolia_queue::{Inputs, Job};

use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::service::Service;

/// What is wanted of a table.
struct Wanted {
    table: UserTable,
    /// The places of the columns of the index.
    columns: Vec<usize>,
    unique: bool,
}

/// Checks what is wanted.
///
/// # Errors
/// [`Fault`] for a table that there is not, and for what no index is.
pub(crate) async fn check_update(service: &Service, parameters: &Parameters) -> Result<(), Fault> {
    wanted(service, parameters).await.map(drop)
}

async fn wanted(service: &Service, parameters: &Parameters) -> Result<Wanted, Fault> {
    let given = |name: &str| Ok::<_, Fault>(parameters.one(name)?.map(str::trim));
    let wrong = |what: &str| Fault::usage(what.to_owned());
    let table = given("TABLE")?.ok_or_else(|| wrong("TABLE is missing: the table that is to have an index"))?;
    let columns = given("INDEX")?.ok_or_else(|| wrong("INDEX is missing: the columns, separated by commas"))?;
    let unique = match given("INDEX_TYPE")?.map(str::to_ascii_lowercase).as_deref() {
        None => parameters.flag("UNIQUE")?,
        Some("unique") => true,
        Some(_) => return Err(wrong("INDEX_TYPE is unique, or not given; others are not made here")),
    };
    let table = service.archive.user_table(table).await?;
    Ok(Wanted { columns: indexable(&table, &column_list(columns))?, table, unique })
}

/// Makes the index that a job is to make, as whoever made the job.
///
/// # Errors
/// [`Fault`] for what failed.
pub(crate) async fn run_update(service: &Service, job: &Job, update: &Inputs) -> Result<(), Fault> {
    let service = service.of_job(job);
    let parameters = Parameters::of(update.parameters.iter().cloned());
    let mut record = service.begin("index table", Door::Job, parameters.one("TABLE")?.unwrap_or_default());
    record.note("job", job.job_id.as_str());
    let made = async {
        let Wanted { table, columns, unique } = wanted(&service, &parameters).await?;
        let _turn = service.turn().await?;
        service.archive.index_user_table(&table, &columns, unique).await?;
        Ok::<_, Fault>(())
    };
    match made.await {
        Ok(()) => record.succeed(),
        Err(fault) => {
            record.fail(&fault.message);
            return Err(fault);
        }
    }
    Ok(())
}
