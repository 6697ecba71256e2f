//! The settings of a site: defaults, then spolia.toml, then the environment, then flags.

use std::path::Path;

use config::{Config, Environment, File, FileFormat};
use serde::{Deserialize, Serialize};
use spolia_exec::{
    AccessSettings, CutSettings, JobSettings, LogSettings, SelectionSettings, StoreSettings, UserTableSettings,
};
use spolia_flight_server::{RegistrySettings, ServerSettings};
use spolia_local_node::LocalNodeSettings;
use spolia_planner::QuerySettings;
use spolia_shard_router::RouterSettings;

use crate::error::CommandError;

/// The file's name in a site's folder.
pub const FILE_NAME: &str = "spolia.toml";

/// Which PostgreSQL nodes a site has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodesSettings {
    /// Nodes that the site runs itself, `n1` to `n<local>`.
    pub local: u32,
    /// Nodes that run elsewhere, as `postgresql://user:password@host:port/dbname`; with any, `local` is 0.
    pub urls: Vec<String>,
}

/// Everything that can be set, by section.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The nodes.
    pub nodes: NodesSettings,
    /// How local nodes are run.
    pub local_nodes: LocalNodeSettings,
    /// The object store.
    pub store: StoreSettings,
    /// The doors.
    pub server: ServerSettings,
    /// Bounds on queries.
    pub query: QuerySettings,
    /// Bounds on cuts.
    pub cut: CutSettings,
    /// Where selections are kept.
    pub selections: SelectionSettings,
    /// Who runs large cuts.
    pub jobs: JobSettings,
    /// How much users may keep.
    pub user_tables: UserTableSettings,
    /// Bounds on nodes.
    pub router: RouterSettings,
    /// The operation log.
    pub log: LogSettings,
    /// Who may do what with which collection.
    pub access: AccessSettings,
    /// Whether and as what the archive registers itself.
    pub registry: RegistrySettings,
}

impl Settings {
    /// Reads a site's settings. `SPOLIA__SERVER__LISTEN` in the environment goes before `listen` in `[server]`.
    ///
    /// # Errors
    /// When there is no site in the folder, or the settings do not parse or contradict themselves.
    pub fn read(site: &Path) -> Result<Self, CommandError> {
        let file = site.join(FILE_NAME);
        if !file.is_file() {
            return Err(CommandError::NoSite(site.to_owned()));
        }
        let faulty = |error: config::ConfigError| CommandError::Settings(error.to_string());
        let settings: Self = Config::builder()
            .add_source(File::from(file).format(FileFormat::Toml))
            .add_source(Environment::with_prefix("SPOLIA").prefix_separator("__").separator("__").try_parsing(true))
            .build()
            .and_then(Config::try_deserialize)
            .map_err(faulty)?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), CommandError> {
        let fault = match (self.nodes.local, self.nodes.urls.len()) {
            (0, 0) => "[nodes] names no node: set local = 4, or urls",
            (1.., 1..) => "[nodes] has local nodes and urls; a site has either",
            (65.., _) => "[nodes] local is at most 64",
            _ => {
                let fault = self.user_tables.validate().map_err(str::to_owned).and_then(|()| self.jobs.validate());
                return fault.map_err(CommandError::Settings);
            }
        };
        Err(CommandError::Settings(fault.to_owned()))
    }

    /// The settings as TOML, passwords in URLs masked.
    ///
    /// # Errors
    /// When they cannot be written as TOML.
    pub fn masked(&self) -> Result<String, CommandError> {
        let mut shown = self.clone();
        shown.nodes.urls.iter_mut().for_each(|url| *url = mask(url));
        toml::to_string(&shown).map_err(|error| CommandError::Settings(error.to_string()))
    }
}

/// A URL with its password hidden.
pub fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((login, host)) => format!("{scheme}://{}:***@{host}", login.split(':').next().unwrap_or_default()),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        assert_eq!(mask("postgresql://ada:s3:cr@t@db.org:5432/x"), "postgresql://ada:***@db.org:5432/x");
        assert_eq!(mask("postgresql://db.org/x"), "postgresql://db.org/x");
    }
}
