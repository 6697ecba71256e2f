//! What the child can reach: the file it was given and nothing else, whatever libhdf5 is led to do.
//!
//! Landlock holds the file system (and TCP) and seccomp the network and other programs, each where the kernel has it; the
//! bounds on memory and time hold in any case.

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter};

/// The newest rules that are used; on an older kernel those it knows.
const RULES: ABI = ABI::V5;

/// System calls that reading and writing files does not take.
const REFUSED_CALLS: [i64; 10] = [
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
];

/// Confines this process to reading one file. Returns whether the kernel holds the file system to it.
pub fn confine(file: &Path) -> bool {
    let held = restrict_files(file).is_ok_and(|status| status != RulesetStatus::NotEnforced);
    // A kernel without seccomp leaves the other bounds.
    let _ = restrict_calls();
    held
}

fn restrict_files(file: &Path) -> Result<RulesetStatus, RulesetError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .create()?
        .add_rules(path_beneath_rules([file], AccessFs::ReadFile))?
        .restrict_self()?;
    Ok(status.ruleset)
}

fn restrict_calls() -> Result<(), seccompiler::Error> {
    let rules: BTreeMap<_, _> = REFUSED_CALLS.into_iter().map(|call| (call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let machine =
        std::env::consts::ARCH.try_into().map_err(|error: BackendError| seccompiler::Error::Backend(error))?;
    let filter: Result<BpfProgram, BackendError> =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, machine).and_then(TryInto::try_into);
    seccompiler::apply_filter(&filter?)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::process::Command;

    use super::*;

    #[test]
    fn nothing_else_can_be_reached() {
        let folder = tempfile::tempdir().unwrap();
        let (given, other) = (folder.path().join("given"), folder.path().join("other"));
        std::fs::write(&given, "1").unwrap();
        std::fs::write(&other, "2").unwrap();
        // Both hold the thread that asks for them, and what it starts.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let held = confine(&given);
                assert_eq!(std::fs::read(&given).unwrap(), b"1");
                let refused = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                refused(TcpStream::connect("127.0.0.1:1").unwrap_err());
                refused(Command::new("/bin/true").status().unwrap_err());
                if held {
                    refused(std::fs::read(&other).unwrap_err());
                    refused(std::fs::write(&given, "4").unwrap_err());
                } else {
                    println!("skipped: this kernel has no Landlock");
                }
            });
        });
    }
}
