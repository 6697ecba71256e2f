//! `spolia-worker FOLDER`: works on the order in a job's folder, as one of the ranks that `srun` or `mpirun` starts.
//!
//! Each rank has threads for the work, and a main thread for MPI, which is asked for no more than one thread (`MPI_THREAD_FUNNELED`). Rank 0
//! keeps the desk. Exit status: 0 done, 1 failed, 75 ended before its time (`EX_TEMPFAIL`): what is done stays done.

#![allow(clippy::print_stderr)]

mod ranks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use clap::Parser;
use mpi::Threading;
use mpi::traits::{Communicator, CommunicatorCollectives};
use spolia_exec::{Bench, Done, ExecError, Member, note_failure, write_log};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::ranks::{Line, Mailbox};

/// The exit status of work that was to end before its time.
const TO_BE_CONTINUED: u8 = 75;

/// Works on the order in a job's folder, as one of the ranks that srun or mpirun starts.
#[derive(Parser)]
#[command(name = "spolia-worker", version)]
struct Arguments {
    /// The job's folder
    folder: PathBuf,
    /// Threads of each rank; SLURM says how many processors a rank has
    #[arg(long, env = "SLURM_CPUS_PER_TASK")]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Ok(runtime) = Runtime::new() else {
        eprintln!("spolia-worker: threads cannot be made");
        return ExitCode::FAILURE;
    };
    // A store that is far away is reached by way of it.
    let _inside = runtime.enter();
    // From the beginning on: whoever ends the work early has to find it ready for that.
    let stopped = stop_at_signal();
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Funneled) else {
        eprintln!("spolia-worker: MPI does not start");
        return ExitCode::FAILURE;
    };
    let world = universe.world();
    let (rank, size) = (world.rank().unsigned_abs(), world.size().unsigned_abs());
    write_log(&arguments.folder, rank);
    let worked = match threading {
        Threading::Single => Err(failed("this MPI takes no threads beside its own")),
        _ => work(&arguments, &runtime, stopped, &world, rank, size),
    };
    match worked {
        Ok(Done::Whole(_)) => {
            // Nobody leaves while others still ask.
            world.barrier();
            ExitCode::SUCCESS
        }
        Ok(Done::Stopped) => {
            world.barrier();
            tracing::warn!("ended before its time; what is done stays done");
            ExitCode::from(TO_BE_CONTINUED)
        }
        Err(error) => {
            tracing::error!("{}", error.message());
            eprintln!("spolia-worker: rank {rank}: {}", error.message());
            note_failure(&arguments.folder, &error);
            // The others wait for this one.
            world.abort(1)
        }
    }
}

fn failed(message: &str) -> ExecError {
    ExecError::Request(message.to_owned())
}

/// Works on threads of its own, while this thread speaks with the other ranks.
fn work(
    arguments: &Arguments,
    runtime: &Runtime,
    stopped: Arc<AtomicBool>,
    world: &impl Communicator,
    rank: u32,
    size: u32,
) -> Result<Done, ExecError> {
    if let Some(threads) = arguments.threads {
        let made = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
        made.map_err(|error| failed(&format!("threads cannot be made: {error}")))?;
    }
    let bench = Bench::open(&arguments.folder)?;
    let desk = if rank == 0 { Some(bench.desk(size)?) } else { None };
    tracing::info!(size, folder = %arguments.folder.display(), "begins");
    let (line, mailbox) = mpsc::channel();
    let member = Arc::new(Member::new(Arc::new(Line::new(line)), rank, Arc::clone(&stopped)));
    std::thread::scope(|scope| {
        let working = scope.spawn(|| runtime.block_on(bench.work(member)));
        let is_at_work = || !working.is_finished();
        let all_left = match desk {
            Some(desk) => Mailbox::new(mailbox).keep(desk, world, size, &stopped, is_at_work),
            None => {
                Mailbox::new(mailbox).carry(world, &stopped, is_at_work);
                true
            }
        };
        let done = working.join().unwrap_or_else(|_| Err(failed("the work broke off; the log tells why")));
        // Whoever is lost would be waited for.
        if all_left { done } else { done.and(Err(failed("ranks are lost, which did not end with the others"))) }
    })
}

/// Is set at SIGTERM, which SLURM sends some time before a job's time is over, and at Ctrl-C; from now on neither ends the process.
fn stop_at_signal() -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let stopped = Arc::clone(&stopped);
        match signal(kind) {
            Ok(mut signal) => drop(tokio::spawn(async move {
                signal.recv().await;
                stopped.store(true, Ordering::Relaxed);
            })),
            Err(error) => eprintln!("spolia-worker: a signal will end the work at once: {error}"),
        }
    }
    stopped
}
