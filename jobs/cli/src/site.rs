//! A site: a folder with settings, and the nodes that belong to it.

use std::path::{Path, PathBuf};

use spolia_exec::{Archive, ArchiveSettings};
use spolia_local_node::{LocalNode, LocalNodes, StartOptions, Started, start_all};
use spolia_shard_router::NodeAddress;

use crate::error::CommandError;
use crate::settings::{FILE_NAME, NodesSettings, Settings};

/// A site and its settings.
pub struct Site {
    folder: PathBuf,
    /// The effective settings.
    pub settings: Settings,
}

impl Site {
    /// The site in a folder.
    ///
    /// # Errors
    /// When there is none, or its settings are not usable.
    pub fn open(folder: &Path) -> Result<Self, CommandError> {
        let settings = Settings::read(folder)?;
        let folder = folder.canonicalize().map_err(CommandError::file("open", folder))?;
        Ok(Self { folder, settings })
    }

    /// Writes a new site's settings into a folder; an existing site keeps its own.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn create(folder: &Path, nodes: &NodesSettings) -> Result<Self, CommandError> {
        std::fs::create_dir_all(folder).map_err(CommandError::file("make", folder))?;
        let file = folder.join(FILE_NAME);
        if !file.exists() {
            let part = file.with_extension("toml.part");
            std::fs::write(&part, initial(nodes)?).map_err(CommandError::file("write", &part))?;
            std::fs::rename(&part, &file).map_err(CommandError::file("write", &file))?;
        }
        Self::open(folder)
    }

    /// The site's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The nodes that the site runs itself.
    ///
    /// # Errors
    /// When one of them was never made.
    pub fn local_nodes(&self) -> Result<Vec<LocalNode>, CommandError> {
        let nodes = LocalNodes::new(&self.folder, self.settings.local_nodes.clone())?;
        Ok(self.local_names().map(|name| nodes.open(&name)).collect::<Result<_, _>>()?)
    }

    /// Makes the nodes that the site runs itself; those that are there stay as they are.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or cannot make one.
    pub async fn make_local_nodes(&self) -> Result<(), CommandError> {
        let nodes = LocalNodes::new(&self.folder, self.settings.local_nodes.clone())?;
        let made = self.local_names().map(|name| {
            let nodes = nodes.clone();
            async move { nodes.create(&name).await }
        });
        futures::future::try_join_all(made).await?;
        Ok(())
    }

    /// Starts the local nodes; returns those that were not running before.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start(&self, die_with_parent: bool) -> Result<Vec<LocalNode>, CommandError> {
        let nodes = self.local_nodes()?;
        let started = start_all(&nodes, StartOptions { die_with_parent }).await;
        let mut new = Vec::new();
        for (node, started) in nodes.into_iter().zip(started) {
            if matches!(started?, Started::Spawned { .. }) {
                new.push(node);
            }
        }
        Ok(new)
    }

    /// Opens the archive for reading and ingest.
    ///
    /// # Errors
    /// When the control node does not answer or is not set up.
    pub async fn archive(&self) -> Result<Archive, CommandError> {
        Ok(Archive::open(self.archive_settings()?).await?)
    }

    /// What the archive needs to know of the site.
    ///
    /// # Errors
    /// When a node was never made or a URL does not parse.
    pub fn archive_settings(&self) -> Result<ArchiveSettings, CommandError> {
        let nodes = self.addresses()?;
        let control =
            nodes.first().cloned().ok_or_else(|| CommandError::Settings("[nodes] names no node".to_owned()))?;
        let s = &self.settings;
        Ok(ArchiveSettings {
            site: self.folder.clone(),
            nodes,
            control,
            store: s.store.clone(),
            router: s.router.clone(),
            query: s.query.clone(),
            cut: s.cut.clone(),
            selections: s.selections.clone(),
            user_tables: s.user_tables.clone(),
            log: s.log.clone(),
            access: s.access.clone(),
            authority: s.registry.authority_or_none().to_owned(),
        })
    }

    fn addresses(&self) -> Result<Vec<NodeAddress>, CommandError> {
        if !self.settings.nodes.urls.is_empty() {
            let urls = (0..).zip(&self.settings.nodes.urls);
            return Ok(urls
                .map(|(i, url)| NodeAddress::from_url(&format!("n{}", i + 1), i, url))
                .collect::<Result<_, _>>()?);
        }
        let address = |(group, node): (i32, LocalNode)| {
            let c = node.connection();
            NodeAddress::unix_socket(node.name(), group, &c.host, c.port, &c.user, &c.password, &c.dbname)
        };
        Ok((0..).zip(self.local_nodes()?).map(address).collect())
    }

    fn local_names(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.settings.nodes.local).map(|n| format!("n{n}"))
    }
}

/// The settings file of a new site.
fn initial(nodes: &NodesSettings) -> Result<String, CommandError> {
    #[derive(serde::Serialize)]
    struct Initial<'a> {
        nodes: &'a NodesSettings,
    }
    let body = toml::to_string(&Initial { nodes }).map_err(|error| CommandError::Settings(error.to_string()))?;
    Ok(format!("# The settings of this site. `spolia settings` prints every one with its value.\n\n{body}"))
}
