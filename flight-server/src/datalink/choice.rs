//! What a request chooses: rows by their ids, what a query returns, or what an uploaded table lists.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use spolia_exec::{SelectedRows, Selection, Upload};

use super::rows::all_rows;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::service::Service;
use crate::tap::check_language;

/// The columns by which an uploaded list names rows, the surest first.
const ACCESS_URL: &str = "access_url";
const DATALINK_URL: &str = "datalink_url";
const ROW_ID: &str = "id";
const SOURCE_ID: &str = "source_id";
/// Ids that the log tells.
const IDS_LOGGED: usize = 1000;

/// What a request chooses.
pub(crate) enum Choice {
    /// Rows whose ids this archive has made.
    Rows(SelectedRows),
    /// What is found by ids, or by a query with tables that came along.
    Found(Selection, Vec<Upload>),
}

impl Choice {
    /// Reads what is chosen by ID, by QUERY, or by the one table that came along; `most` rows by their ids.
    ///
    /// # Errors
    /// [`Fault`] where nothing is chosen, or in two ways, or by what is no id, list or query.
    pub(crate) async fn read(
        service: &Service,
        parameters: &Parameters,
        mut uploads: Vec<Upload>,
        client: &str,
        most: usize,
    ) -> Result<Self, Fault> {
        let by_ids = parameters.all("ID").any(|id| !id.trim().is_empty());
        match (by_ids, parameters.one("QUERY")?, uploads.len()) {
            (true, None, 0) => Ok(Self::Rows(all_rows(service, parameters, client, most).await?)),
            (false, Some(query), _) => {
                check_language(parameters.one("LANG")?)?;
                Ok(Self::Found(Selection::Adql(query.to_owned()), uploads))
            }
            (false, None, 1) => listed(service, &uploads.remove(0), client, most).await,
            _ => Err(Fault::usage(
                "rows are chosen by ID (the id of a row's access_url or of a selection, repeated for more), by QUERY (with \
                 or without UPLOAD), or by one UPLOAD with a column access_url, datalink_url, id or source_id",
            )),
        }
    }

    /// The line that tells it in the log.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Rows(SelectedRows { ids, .. })
            | Self::Found(Selection::RowIds(ids) | Selection::SourceIds(ids), _) => {
                let text = ids.iter().take(IDS_LOGGED).map(i64::to_string).collect::<Vec<_>>().join(",");
                if ids.len() > IDS_LOGGED { format!("{text} and {} more", ids.len() - IDS_LOGGED) } else { text }
            }
            Self::Found(Selection::Adql(adql), _) => adql.clone(),
        }
    }

    /// The rows themselves.
    ///
    /// # Errors
    /// [`Fault`] when a query fails, or what is named is not there.
    pub(crate) async fn into_rows(self, service: &Service) -> Result<SelectedRows, Fault> {
        match self {
            Self::Rows(rows) => Ok(rows),
            Self::Found(selection, uploads) => {
                let _place = service.queries.enter().await?;
                Ok(service.archive.select(&selection, &uploads, None).await?)
            }
        }
    }

    /// What a cut is told, and the epoch that it reads; the newest where none is said. A query stays one unless it reads tables that came
    /// along: a cut's provenance has it then.
    ///
    /// # Errors
    /// As [`Self::into_rows`].
    pub(crate) async fn into_selection(self, service: &Service) -> Result<(Selection, Option<i64>), Fault> {
        match self {
            Self::Found(selection, uploads) if uploads.is_empty() => Ok((selection, None)),
            choice => {
                let SelectedRows { epoch, ids } = choice.into_rows(service).await?;
                Ok((Selection::RowIds(ids), Some(epoch)))
            }
        }
    }
}

/// The rows that an uploaded table lists.
async fn listed(service: &Service, table: &Upload, client: &str, most: usize) -> Result<Choice, Fault> {
    let column = |name: &str| table.schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name));
    let found = [ACCESS_URL, DATALINK_URL, ROW_ID, SOURCE_ID].into_iter().find_map(|name| Some((name, column(name)?)));
    let Some((name, at)) = found else {
        return Err(Fault::usage(format!(
            "{} has no column {ACCESS_URL}, {DATALINK_URL}, {ROW_ID} or {SOURCE_ID}",
            table.name
        )));
    };
    let wrong = || Fault::usage(format!("column {name} of {} is of another type", table.name));
    if name == ACCESS_URL || name == DATALINK_URL {
        let mut ids = Parameters::default();
        for batch in &table.rows {
            texts(batch, at).ok_or_else(wrong)?.into_iter().try_for_each(|id| ids.push("ID", id))?;
        }
        return Ok(Choice::Rows(all_rows(service, &ids, client, most).await?));
    }
    let mut ids = Vec::new();
    for batch in &table.rows {
        ids.extend(integers(batch, at).ok_or_else(wrong)?);
    }
    let selection = if name == ROW_ID { Selection::RowIds(ids) } else { Selection::SourceIds(ids) };
    Ok(Choice::Found(selection, Vec::new()))
}

fn texts(batch: &RecordBatch, at: usize) -> Option<Vec<String>> {
    let column = cast(batch.column(at), &DataType::Utf8).ok()?;
    Some(column.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}

fn integers(batch: &RecordBatch, at: usize) -> Option<Vec<i64>> {
    let column = batch.column(at);
    let column = column.data_type().is_integer().then(|| cast(column, &DataType::Int64).ok()).flatten()?;
    Some(column.as_primitive::<Int64Type>().iter().flatten().collect())
}
