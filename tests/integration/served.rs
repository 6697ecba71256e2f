//! A server of its own for a test, on a site of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::site::{Run, TestSite, make_gaia, run};

/// The doors of a site, on ports of their own.
pub struct Doors {
    child: Child,
    pub base_url: String,
    pub flight_url: String,
}

/// A site with its doors, which close before it does.
pub struct Served {
    doors: Doors,
    pub site: TestSite,
    /// What the site holds, as it came in.
    pub files: TempDir,
}

impl Doors {
    /// `spolia serve` on a site; `settings` go into its environment.
    pub fn of(site: &TestSite, settings: &[(&str, &str)]) -> Self {
        Self::at("127.0.0.1:0", site, settings)
    }

    /// The same at an address of the caller's choice.
    pub fn at(listen: &str, site: &TestSite, settings: &[(&str, &str)]) -> Self {
        let mut command = site.command(&["serve", "--listen", listen, "--flight-listen", "127.0.0.1:0"]);
        command.envs(settings.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines
            .by_ref()
            .map(|line| line.unwrap())
            .find(|line| line.starts_with("TAP "))
            .expect("it says where it serves");
        // The rest is read, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let after = |begin: &str, end: &str| line.split(begin).nth(1).unwrap().split(end).next().unwrap().to_owned();
        let (base_url, flight_url) = (after("TAP ", "/tap"), format!("grpc://{}", after("grpc://", ";")));
        Self { child, base_url, flight_url }
    }

    /// Ends the server as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The answer to a query as CSV, or what the service says instead.
    pub fn csv(&self, adql: &str) -> Result<String, String> {
        let url = format!("{}/tap/sync", self.base_url);
        let query = format!("QUERY={adql}");
        let run = run(Command::new("curl")
            .args(["-s", "-S", "--max-time", "120", "-w", "\n%{http_code}", &url])
            .args(["-d", "LANG=ADQL", "-d", "RESPONSEFORMAT=csv", "-d", "MAXREC=1000000", "--data-urlencode", &query]));
        match run.stdout.rsplit_once('\n') {
            Some((answer, "200")) if run.success => Ok(answer.to_owned()),
            _ => Err(format!("{}{}", run.stdout, run.stderr)),
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

impl std::ops::Deref for Served {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

impl Served {
    /// Two nodes with a few hundred sources and a few thousand transits.
    pub fn start() -> Self {
        Self::with(&["--layout", "mixed", "--sources", "300", "--transits", "3000"], &[])
    }

    /// Two nodes with files made as `make_gaia` options say; `settings` go into the server's environment.
    pub fn with(make: &[&str], settings: &[(&str, &str)]) -> Self {
        let files = make_gaia(make);
        let site = TestSite::with_files(2, files.path());
        let doors = Doors::of(&site, settings);
        Self { doors, site, files }
    }

    /// `curl` on a path of the server.
    pub fn curl(&self, path: &str, options: &[&str]) -> Run {
        run(Command::new("curl")
            .args(["-s", "-S", "--max-time", "60"])
            .args(options)
            .arg(format!("{}{path}", self.base_url)))
    }

    /// The HTTP status of a path.
    pub fn status(&self, path: &str) -> String {
        self.curl(path, &["-o", "/dev/null", "-w", "%{http_code}"]).ok()
    }
}
