//! A model of an object store: an HTTP server that thinks before each answer, and whose connections are only so fast.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Before each answer.
pub const LATENCY: Duration = Duration::from_millis(20);
/// Bytes per second of a connection.
const BANDWIDTH: f64 = 90e6;
/// Bytes sent between two looks at the clock.
const PIECE: usize = 128 << 10;

/// A server over a folder, which runs as long as the program.
pub struct Model {
    pub url: String,
    asked: Arc<Asked>,
}

/// What was asked for so far.
#[derive(Default)]
struct Asked {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Model {
    pub fn serve(folder: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (folder, asked) = (folder.to_owned(), Arc::<Asked>::default());
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (folder, asked) = (folder.clone(), Arc::clone(&counted));
                // A client that goes away ends its own thread only.
                std::thread::spawn(move || answer_all(connection, &folder, &asked).ok());
            }
        });
        Ok(Self { url, asked })
    }

    /// Requests and bytes since the last time.
    pub fn asked(&self) -> (u64, u64) {
        (self.asked.requests.swap(0, Ordering::Relaxed), self.asked.bytes.swap(0, Ordering::Relaxed))
    }
}

fn answer_all(connection: TcpStream, folder: &PathBuf, asked: &Asked) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut output = connection.try_clone()?;
    let mut input = BufReader::new(connection);
    loop {
        let mut request = String::new();
        if input.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let (mut range, mut line) = (None, String::new());
        while input.read_line(&mut line)? > 2 {
            if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                range = bytes.trim().split_once('-').map(|(a, b)| (a.parse().unwrap_or(0), b.parse::<u64>().ok()));
            }
            line.clear();
        }
        std::thread::sleep(LATENCY);
        asked.requests.fetch_add(1, Ordering::Relaxed);
        let mut words = request.split(' ');
        let (method, path) = (words.next().context("a method")?, words.next().context("a path")?);
        answer(&mut output, &folder.join(path.trim_start_matches('/')), method == "HEAD", range, asked)?;
    }
}

fn answer(
    output: &mut TcpStream,
    path: &Path,
    head: bool,
    range: Option<(u64, Option<u64>)>,
    asked: &Asked,
) -> Result<()> {
    let Ok(file) = File::open(path) else {
        return Ok(output.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?);
    };
    let size = file.metadata()?.len();
    let (start, end) = range.map_or((0, size), |(start, last)| (start, last.map_or(size, |last| size.min(last + 1))));
    let status = match range {
        None => "200 OK".to_owned(),
        Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{size}", end - 1),
    };
    let length = end - start;
    write!(
        output,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\nETag: \"{size}\"\r\n\
         Last-Modified: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: application/x-hdf5\r\n\r\n"
    )?;
    if head {
        return Ok(());
    }
    asked.bytes.fetch_add(length, Ordering::Relaxed);
    let (started, mut piece, mut sent) = (Instant::now(), vec![0; PIECE], 0);
    while sent < length {
        let count = (length - sent).min(PIECE as u64) as usize;
        file.read_exact_at(&mut piece[..count], start + sent)?;
        output.write_all(&piece[..count])?;
        sent += count as u64;
        let due = Duration::from_secs_f64(sent as f64 / BANDWIDTH);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    Ok(())
}
