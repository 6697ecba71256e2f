//! When the registry records of this site began, changed and ended, as all its servers tell it to those who harvest them.
//!
//! A record is made of settings, declarations and data, which keep no common time of change. So the time is kept here, beside a digest of
//! the record: whichever server first makes a record with another digest notes when that was.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use crate::control::Control;
use crate::error::{Act, CatalogueError};

/// What is known of a record that has ever been there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDates {
    /// When it was first there.
    pub created: DateTime<Utc>,
    /// When it last changed, came back, or went.
    pub updated: DateTime<Utc>,
    /// Whether it is gone.
    pub deleted: bool,
}

/// The records' dates as of one moment. All are to the second, by the control node's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHistory {
    /// The moment.
    pub now: DateTime<Utc>,
    /// All records that there are or were, by identifier.
    pub records: BTreeMap<String, RecordDates>,
}

impl Control {
    /// Notes which records there are, as their identifiers with digests of what they say, and gives the dates of all that ever were.
    /// Nothing is written where nothing has changed.
    ///
    /// # Errors
    /// When the control database fails; then nothing has changed.
    pub async fn note_registry_records(
        &self,
        digests: &BTreeMap<String, String>,
    ) -> Result<RecordHistory, CatalogueError> {
        let mut client = self.client().await?;
        let known = read(&client).await?;
        if known.agrees(digests) {
            return Ok(known.history);
        }
        let transaction = client.transaction().await.act("begin to note registry records")?;
        // One server after the other: what the first has noted is no change to the next.
        let lock = "LOCK TABLE spolia.registry_record IN SHARE ROW EXCLUSIVE MODE";
        transaction.batch_execute(lock).await.act("lock the registry records")?;
        let (identifiers, contents): (Vec<&String>, Vec<&String>) = digests.iter().unzip();
        let sql = "INSERT INTO spolia.registry_record AS known (identifier, digest, created, updated, deleted)
            SELECT identifier, digest, moment, moment, false
            FROM unnest($1::text[], $2::text[]) AS made(identifier, digest), date_trunc('second', clock_timestamp()) AS moment
            ON CONFLICT (identifier) DO UPDATE SET digest = excluded.digest, updated = excluded.updated, deleted = false
            WHERE known.deleted OR known.digest <> excluded.digest";
        transaction.execute(sql, &[&identifiers, &contents]).await.act("note registry records")?;
        let sql = "UPDATE spolia.registry_record SET deleted = true, updated = date_trunc('second', clock_timestamp())
            WHERE NOT deleted AND identifier <> ALL($1)";
        transaction.execute(sql, &[&identifiers]).await.act("note that registry records are gone")?;
        let noted = read(&transaction).await?;
        transaction.commit().await.act("commit registry records")?;
        Ok(noted.history)
    }

    /// When each collection's first and last data became visible; collections without data are not in it.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn published(&self) -> Result<BTreeMap<String, (DateTime<Utc>, DateTime<Utc>)>, CatalogueError> {
        let sql = "SELECT collection, date_trunc('second', min(ended)), date_trunc('second', max(ended))
            FROM spolia.batch WHERE state = 'visible' AND ended IS NOT NULL GROUP BY collection";
        let rows = self.client().await?.query(sql, &[]).await.act("read when data became visible")?;
        Ok(rows.into_iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect())
    }
}

/// What the table holds.
struct Known {
    history: RecordHistory,
    digests: BTreeMap<String, String>,
}

impl Known {
    /// Whether these records, and no others, are there.
    fn agrees(&self, digests: &BTreeMap<String, String>) -> bool {
        let there = self.digests.iter().filter(|(identifier, _)| !self.is_gone(identifier));
        there.eq(digests)
    }

    fn is_gone(&self, identifier: &str) -> bool {
        self.history.records.get(identifier).is_none_or(|dates| dates.deleted)
    }
}

async fn read(client: &impl GenericClient) -> Result<Known, CatalogueError> {
    let sql = "SELECT date_trunc('second', clock_timestamp()), identifier, digest, created, updated, deleted
        FROM (SELECT) AS one LEFT JOIN spolia.registry_record ON true";
    let rows = client.query(sql, &[]).await.act("read the registry records")?;
    let now = rows.first().map_or_else(Utc::now, |row| row.get(0));
    let mut known = Known { history: RecordHistory { now, records: BTreeMap::new() }, digests: BTreeMap::new() };
    for row in rows {
        let Some(identifier) = row.get::<_, Option<String>>(1) else { continue };
        let dates = RecordDates { created: row.get(3), updated: row.get(4), deleted: row.get(5) };
        known.digests.insert(identifier.clone(), row.get(2));
        known.history.records.insert(identifier, dates);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_compared() {
        let moment = DateTime::UNIX_EPOCH;
        let dates = |deleted| RecordDates { created: moment, updated: moment, deleted };
        let records = BTreeMap::from([("a".to_owned(), dates(false)), ("b".to_owned(), dates(true))]);
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let known = Known { history: RecordHistory { now: moment, records }, digests: of(&[("a", "1"), ("b", "2")]) };
        assert!(known.agrees(&of(&[("a", "1")])));
        for other in [&[("a", "2")][..], &[], &[("a", "1"), ("b", "2")], &[("a", "1"), ("c", "3")]] {
            assert!(!known.agrees(&of(other)), "{other:?}");
        }
    }
}
