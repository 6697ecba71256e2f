//! What all doors share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use spolia_exec::{Archive, Authenticator, Credentials, Dispatcher, JOBS_FOLDER, LinkBase, Principal, Tokens};
use spolia_queue::{Job, JobTable};

use crate::door::Door;
use crate::error::ServerError;
use crate::fault::Fault;
use crate::gate::Gate;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::record::Record;
use crate::registry::{Registry, RegistrySettings};
use crate::settings::ServerSettings;
use crate::table_decoder::TableDecoder;
use crate::turns::{Turn, Turns};

/// Processes that decode tables at once: each may take a gigabyte.
const DECODING: usize = 2;
/// Letters of a client id taken over into links and the log.
const CLIENT_ID_LENGTH: usize = 64;

/// What all doors share.
#[derive(Clone)]
pub(crate) struct Service {
    /// As whoever asks sees it.
    pub(crate) archive: Archive,
    authenticator: Arc<dyn Authenticator>,
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) base_url: Arc<str>,
    pub(crate) spool: Arc<PathBuf>,
    pub(crate) decoder: Arc<TableDecoder>,
    pub(crate) jobs: Jobs,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) queries: Arc<Gate>,
    pub(crate) cuts: Arc<Gate>,
    pub(crate) downloads: Arc<Gate>,
    pub(crate) uploads: Arc<Gate>,
    /// Of tables that are read, whether anybody still waits for them or not.
    pub(crate) reading: Arc<Gate>,
    /// Of processes that decode tables.
    pub(crate) decoding: Arc<Gate>,
    turns: Arc<Turns>,
    pub(crate) up_since: DateTime<Utc>,
}

impl Service {
    /// Prepares the doors of `archive`; makes the spool folder.
    ///
    /// # Errors
    /// [`ServerError::Spool`] when the folder cannot be made.
    pub(crate) fn new(
        archive: Archive,
        settings: ServerSettings,
        registry: RegistrySettings,
        decoder: TableDecoder,
        dispatcher: Option<Dispatcher>,
        base_url: String,
    ) -> Result<Self, ServerError> {
        let spool = archive.site().join(&settings.spool);
        std::fs::create_dir_all(&spool).map_err(|source| ServerError::Spool { path: spool.clone(), source })?;
        let gate = |places| Arc::new(Gate::new(places, settings.waiting, Duration::from_secs(settings.wait_s)));
        Ok(Self {
            authenticator: Arc::new(Tokens::new(archive.site().join(&settings.tokens))),
            jobs: Jobs::new(
                JobTable::new(archive.router().control().clone()),
                archive.site().join(JOBS_FOLDER),
                dispatcher,
            ),
            registry: Arc::new(Registry::new(registry)),
            archive: archive.seen_by(Principal::anonymous()),
            base_url: base_url.into(),
            spool: Arc::new(spool),
            decoder: Arc::new(decoder),
            metrics: Arc::default(),
            queries: gate(settings.queries),
            cuts: gate(settings.cuts),
            downloads: gate(settings.downloads),
            uploads: gate(settings.uploads),
            reading: gate(settings.uploads),
            decoding: gate(settings.uploads.min(DECODING)),
            turns: Arc::default(),
            up_since: Utc::now(),
            settings: Arc::new(settings),
        })
    }

    /// The same for someone else.
    pub(crate) fn seen_by(&self, who: Principal) -> Self {
        Self { archive: self.archive.seen_by(who), ..self.clone() }
    }

    /// The same for whoever made a job.
    pub(crate) fn of_job(&self, job: &Job) -> Self {
        let groups = job.spec.inputs().groups.iter().cloned();
        let owner = job.owner.as_ref();
        self.seen_by(owner.map_or_else(Principal::anonymous, |owner| Principal::named(owner, groups)))
    }

    /// Who shows these credentials; without any, nobody by name.
    ///
    /// # Errors
    /// [`Fault`] for credentials that are wrong or no longer hold.
    pub(crate) async fn identify(&self, shown: Option<Credentials>) -> Result<Principal, Fault> {
        let Some(shown) = shown else { return Ok(Principal::anonymous()) };
        let known = self.authenticator.authenticate(&shown).await;
        let known = known.map_err(|error| Fault::internal("look up the token", &error))?;
        known.ok_or_else(|| Fault::unauthorized("this token is not known here, or no longer holds"))
    }

    /// Begins the operation log's line of a request.
    pub(crate) fn begin(&self, what: &'static str, door: Door, text: &str) -> Record {
        let operation = self.archive.log().begin(what, self.archive.who(), text);
        Record::new(operation, door, Arc::clone(&self.metrics))
    }

    /// Waits until nobody else writes for whoever asks.
    ///
    /// # Errors
    /// [`Fault::busy`] when that takes too long.
    pub(crate) async fn turn(&self) -> Result<Turn, Fault> {
        self.turns.take(self.archive.who().logged()).await
    }

    /// How links begin and end for this client.
    pub(crate) fn links(&self, client_id: String) -> LinkBase {
        LinkBase { base_url: self.base_url.to_string(), client_id }
    }

    /// Bytes of a result at most.
    pub(crate) fn result_bytes(&self) -> u64 {
        (self.settings.result_mb as u64) << 20
    }

    /// How long an answer waits for its client to read.
    pub(crate) fn stall(&self) -> Duration {
        Duration::from_secs(self.settings.stall_timeout_s)
    }
}

/// The client id of a request, if it is one that may stand in a URL as it is; else a new one.
pub(crate) fn client_id(given: Option<&str>) -> String {
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= CLIENT_ID_LENGTH
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    given.filter(plain).map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_carried_on_unless_it_could_do_harm() {
        assert_eq!(client_id(Some("d8a25848-e8a8-468c-a1db-c5c0ae356802")), "d8a25848-e8a8-468c-a1db-c5c0ae356802");
        for harmful in ["", "a b", "x&id=1", "\"><script>", "é", &"x".repeat(65)] {
            assert_eq!(client_id(Some(harmful)).len(), 36, "{harmful}");
        }
    }
}
