//! What cannot be beaten: reading the wanted bytes, inflating them where they are compressed, on all threads, and writing as many as
//! a merged file has. It is told where everything lies.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use libdeflater::Decompressor;
use rayon::prelude::*;
use spolia_cutout::{InspectOptions, Inspected, inspect};

use crate::picks::{Picks, Set, fastest};

/// Connections to a store.
const CONNECTIONS: usize = 128;

/// A range of a file, and the bytes it inflates to; none for what is not compressed.
struct Wanted {
    file: usize,
    at: u64,
    length: u64,
    inflated: Option<usize>,
}

/// What is to be read for some objects.
pub struct Limit<'a> {
    set: &'a Set,
    wanted: Vec<Wanted>,
}

/// What a thread keeps from range to range.
#[derive(Default)]
struct Room {
    stored: Vec<u8>,
    inflated: Vec<u8>,
    decompressor: Option<Decompressor>,
}

impl Room {
    fn inflate(&mut self, size: Option<usize>) -> Result<()> {
        let Some(size) = size else { return Ok(()) };
        self.inflated.resize(size, 0);
        let decompressor = self.decompressor.get_or_insert_with(Decompressor::new);
        decompressor.zlib_decompress(&self.stored, &mut self.inflated).context("a chunk")?;
        Ok(())
    }
}

impl<'a> Limit<'a> {
    pub fn new(set: &'a Set, kind: &str, picks: &Picks) -> Result<Self> {
        Ok(Self { set, wanted: wanted(set, kind, picks)? })
    }

    /// Seconds of the fastest run over local files; `write` bytes are written as well, where that is said.
    pub fn local(&self, runs: usize, write: Option<(&Path, u64)>) -> Result<f64> {
        let open = |file: &String| File::open(self.set.folder.join(file));
        let files: Vec<File> = self.set.files.iter().map(open).collect::<Result<_, _>>()?;
        let bytes = vec![1; write.map_or(0, |(_, bytes)| bytes) as usize];
        fastest(runs, write.map(|(path, _)| path), || {
            let started = Instant::now();
            self.wanted.par_iter().try_for_each_init(Room::default, |room, wanted| {
                room.stored.resize(wanted.length as usize, 0);
                files[wanted.file].read_exact_at(&mut room.stored, wanted.at)?;
                room.inflate(wanted.inflated)
            })?;
            if let Some((path, _)) = write {
                File::create(path)?.write_all(&bytes)?;
            }
            Ok(started.elapsed().as_secs_f64())
        })
    }

    /// Seconds of the fastest run over a store: all ranges at once, as far as there are connections.
    pub fn remote(&self, url: &str, runs: usize) -> Result<f64> {
        thread_local! { static CONNECTION: RefCell<Option<BufReader<TcpStream>>> = const { RefCell::new(None) }; }
        let host = url.trim_start_matches("http://");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(CONNECTIONS).build()?;
        fastest(runs, None, || {
            let started = Instant::now();
            pool.install(|| {
                self.wanted.par_iter().with_max_len(1).try_for_each_init(Room::default, |room, wanted| {
                    CONNECTION.with_borrow_mut(|connection| {
                        let connection = match connection {
                            Some(connection) => connection,
                            None => connection.insert(BufReader::new(TcpStream::connect(host)?)),
                        };
                        get(connection, &self.set.files[wanted.file], wanted, &mut room.stored)
                    })?;
                    room.inflate(wanted.inflated)
                })
            })?;
            Ok(started.elapsed().as_secs_f64())
        })
    }
}

fn get(connection: &mut BufReader<TcpStream>, file: &str, wanted: &Wanted, stored: &mut Vec<u8>) -> Result<()> {
    let last = wanted.at + wanted.length - 1;
    let request = format!("GET /{file} HTTP/1.1\r\nHost: model\r\nRange: bytes={}-{last}\r\n\r\n", wanted.at);
    connection.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    while connection.read_line(&mut line)? > 2 {
        line.clear();
    }
    stored.resize(wanted.length as usize, 0);
    Ok(connection.read_exact(stored)?)
}

fn wanted(set: &Set, kind: &str, picks: &Picks) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for (file, (name, numbers)) in set.files.iter().zip(&picks.0).enumerate() {
        if numbers.is_empty() {
            continue;
        }
        let inspection = inspect(&set.folder.join(name), &InspectOptions::default())?;
        let mut extents: std::collections::BTreeMap<u64, (u64, u64)> = std::collections::BTreeMap::new();
        for object in &inspection.objects {
            let Inspected::Dataset(dataset) = object else { continue };
            if kind == "tables" {
                let height = dataset.chunk.as_ref().context("a chunked column")?[0];
                let row: u64 = dataset.chunk.iter().flatten().product::<u64>() * dataset.type_size;
                for chunk in dataset.chunks.iter().flatten() {
                    let first = chunk.0[0];
                    let place = numbers.partition_point(|number| *number < first);
                    if numbers.get(place).is_some_and(|number| *number < first + height) {
                        wanted.push(Wanted { file, at: chunk.1, length: chunk.2, inflated: Some(row as usize) });
                    }
                }
            } else if let Some(Some(at)) = dataset.offset {
                let number =
                    dataset.path.trim_start_matches("/SourceImpl_").split('/').next().context("a name")?.parse()?;
                if numbers.binary_search(&number).is_ok() {
                    let extent = extents.entry(number).or_insert((at, at));
                    *extent = (extent.0.min(at), extent.1.max(at + dataset.storage_size));
                }
            }
        }
        let extent = |(start, end): &(u64, u64)| Wanted { file, at: *start, length: end - start, inflated: None };
        wanted.extend(extents.values().map(extent));
    }
    wanted.sort_by_key(|wanted| (wanted.file, wanted.at));
    Ok(wanted)
}
