//! The child's own bounds, set before it looks at any file.

use rustix::process::{Resource, Rlimit, setrlimit};

/// What the child may take; the parent watches the clock.
#[derive(Debug, Clone, clap::Args)]
pub struct Bounds {
    /// Address space in MB
    #[arg(long, global = true)]
    max_memory_mb: Option<u64>,
    /// Processor time in seconds
    #[arg(long, global = true)]
    max_cpu_s: Option<u64>,
}

impl Bounds {
    /// Sets the limits; one that the system refuses is left as it is, since the parent's own bounds still hold.
    pub fn apply(&self) {
        let set = |resource, limit: u64| {
            let _ = setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
        };
        set(Resource::Core, 0);
        if let Some(mb) = self.max_memory_mb {
            set(Resource::As, mb << 20);
        }
        if let Some(seconds) = self.max_cpu_s {
            set(Resource::Cpu, seconds);
        }
    }
}
