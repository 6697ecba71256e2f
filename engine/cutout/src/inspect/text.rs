//! An inspection for people: a line for each object.

use std::fmt;

use super::{Inspected, InspectedDataset, Inspection};

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}: {} bytes, superblock version {}", self.file, self.size, self.superblock_version)?;
        self.objects.iter().try_for_each(|object| writeln!(f, "  {object}"))
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::HardLink { path, hardlink_to } => write!(f, "{path} = {hardlink_to}"),
            Self::Link { path, link, file, target } => {
                let (file, target) = (file.as_deref().unwrap_or_default(), target.as_deref().unwrap_or_default());
                write!(f, "{path} -> {file}{}{target} ({link} link)", if file.is_empty() { "" } else { ":" })
            }
            Self::Plain { path, kind: "group", n, attrs } => {
                write!(f, "{path}/  {} members", n.unwrap_or(0))?;
                attributes(f, attrs.unwrap_or(0))
            }
            Self::Plain { path, .. } => write!(f, "{path}  committed type"),
            Self::Dataset(dataset) => dataset.fmt(f),
            Self::Error { path, error } => write!(f, "{path}  cannot be read: {error}"),
        }
    }
}

impl fmt::Display for InspectedDataset {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let variable = if self.vlen_str == Some(true) { "variable-length " } else { "" };
        write!(f, "{}  {variable}{}", self.path, self.class)?;
        if self.vlen_str != Some(true) {
            write!(f, " of {} bytes", self.type_size)?;
        }
        match &self.shape {
            Some(shape) => write!(f, ", {}", product(shape))?,
            None => write!(f, ", {}", self.space)?,
        }
        write!(f, ", {}", self.layout)?;
        if let (Some(chunk), Some(count)) = (&self.chunk, self.n_chunks) {
            write!(f, " in {count} chunks of {}", product(chunk))?;
        }
        for filter in &self.filters {
            match &filter.name {
                Some(name) => write!(f, ", {name}")?,
                None => write!(f, ", filter {}", filter.id)?,
            }
        }
        write!(f, ", {} bytes stored", self.storage_size)?;
        attributes(f, self.attrs)?;
        if let Some(digest) = &self.data_sha256_filetype {
            write!(f, ", sha256 {digest}")?;
        }
        self.read_error.as_ref().map_or(Ok(()), |error| write!(f, ", cannot be read: {error}"))
    }
}

fn attributes(f: &mut fmt::Formatter, count: u64) -> fmt::Result {
    if count > 0 { write!(f, ", {count} attributes") } else { Ok(()) }
}

fn product(sizes: &[u64]) -> String {
    sizes.iter().map(u64::to_string).collect::<Vec<_>>().join("x")
}
