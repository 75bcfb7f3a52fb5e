//! Faults of the engine in the protocol's words.
//!
//!     port-taken ─▶ 11    sandbox-unknown ─▶ 8    bad-input ─▶ 7    else ─▶ 999
//!
//! `msg` says what could not be done and why, `details` the kernel's words, the cause and the remedy.

use ropewalk_engine::{Code as Kind, Fault as Blame, Finding};

use crate::fault::{Code, Fault};

impl From<Blame> for Fault {
    fn from(blame: Blame) -> Self {
        let msg = match blame.doing.is_empty() {
            true => blame.what.clone(),
            false => format!("{}: {}", blame.doing, blame.what),
        };
        let mut details: Vec<String> = blame.kernel.iter().chain(&blame.cause).cloned().collect();
        details.extend(blame.tries.iter().map(|line| format!("try: {line}")));
        Self::new(code(blame.code), msg).details(details.join("; "))
    }
}

fn code(kind: Kind) -> Code {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most kinds have no number of their own")]
    match kind {
        Kind::PortTaken | Kind::AddrTaken | Kind::PoolExhausted | Kind::DhcpRefused => {
            Code::TryLater
        }
        Kind::SandboxUnknown | Kind::SandboxIsHost | Kind::SandboxDown => Code::Namespace,
        Kind::BadInput | Kind::BadFile => Code::Config,
        Kind::StateUnusable | Kind::StateForeign => Code::Io,
        _ => Code::Internal,
    }
}

/// CHECK found something.
pub(crate) fn otherwise(findings: &[Finding]) -> Result<(), Fault> {
    let Some(first) = findings.first() else { return Ok(()) };
    let line = |f: &Finding| format!("{}: {}: {}, not {}", f.owner, f.object, f.found, f.wanted);
    let rest: Vec<String> = findings.iter().skip(1).map(line).collect();
    let more = if rest.is_empty() { "ropewalk repair".into() } else { rest.join("; ") };
    Err(Fault::new(Code::Internal, line(first)).details(more))
}
