//! SLURM on one machine: four nodes that run jobs, and nothing that stays behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::site::{Run, own_folder, run};

/// A cluster that ends with the test.
struct Cluster(TempDir);

fn script() -> PathBuf {
    own_folder().join("../slurm/one-machine")
}

impl Cluster {
    /// Starts it; nothing where SLURM is not installed.
    fn start() -> Option<Self> {
        if ["slurmctld", "slurmd", "munged"].iter().any(|daemon| !Path::new("/usr/sbin").join(daemon).exists()) {
            println!("skipped: SLURM is not installed (slurm-wlm, munge)");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let told = run(Command::new(script()).arg("up").arg(folder.path())).ok();
        assert_eq!(told.trim(), format!("export SLURM_CONF={}", folder.path().join("slurm.conf").display()));
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> Run {
        run(Command::new(program).args(arguments).env("SLURM_CONF", self.path().join("slurm.conf")))
    }

    /// Submits a script, waits for its end, and returns what became of it and what it said.
    fn job(&self, options: &[&str], commands: &str) -> (String, String) {
        let (script, out) = (self.path().join("job.sh"), self.path().join("job.out"));
        std::fs::write(&script, format!("#!/bin/bash\nexport PATH=/usr/bin:/bin SLURM_EXPORT_ENV=ALL\n{commands}\n"))
            .unwrap();
        let (script, output) = (script.display().to_string(), format!("--output={}", out.display()));
        let fixed = ["--export=NONE", "--parsable", "--wait", &output];
        let submitted = self.ask("sbatch", &[&fixed[..], options, &[&script]].concat());
        let told = self.ask("scontrol", &["--oneliner", "show", "job", submitted.stdout.trim()]).ok();
        let state = told.split("JobState=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        (state, std::fs::read_to_string(out).unwrap_or_default())
    }

    /// The daemons that are there.
    fn daemons(&self) -> Vec<String> {
        let listed = run(Command::new("ps").args(["-eo", "stat=,args="])).ok();
        let own = self.path().display().to_string();
        listed.lines().filter(|line| line.contains(&own) && !line.starts_with('Z')).map(str::to_owned).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(script()).arg("down").arg(self.path()).status();
    }
}

#[test]
fn four_nodes_run_jobs_and_nothing_stays_behind() {
    let Some(cluster) = Cluster::start() else { return };
    assert!(!run(Command::new(script()).arg("up").arg(cluster.path())).success, "it runs already");
    let (state, said) = cluster.job(
        &["--nodes=4", "--ntasks=4"],
        "srun bash -c 'echo rank $SLURM_PROCID of $SLURM_NTASKS on $SLURMD_NODENAME'",
    );
    assert_eq!(state, "COMPLETED", "{said}");
    for rank in 0..4 {
        assert!(said.contains(&format!("rank {rank} of 4 on n{}", rank + 1)), "{said}");
    }
    assert_eq!(cluster.job(&[], "exit 3").0, "FAILED");
    let (state, said) =
        cluster.job(&["--mem=100"], "exec python3 -c 'import time; x = bytearray(500 << 20); time.sleep(30)'");
    assert!(state != "COMPLETED" && said.contains("Exceeded job memory limit"), "{state}: {said}");
    let refused = cluster.ask("sbatch", &["--partition=none", "--wrap=true"]).refused();
    assert!(refused.contains("invalid partition"), "{refused}");

    // What still runs ends with the cluster.
    cluster.ask("sbatch", &["--export=NONE", "--nodes=2", "--output=/dev/null", "--wrap=/bin/sleep 600"]).ok();
    assert!(!cluster.daemons().is_empty());
    run(Command::new(script()).arg("down").arg(cluster.path())).ok();
    assert_eq!(cluster.daemons(), Vec::<String>::new());
}
