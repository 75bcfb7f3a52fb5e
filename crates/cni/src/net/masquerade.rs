//! `ipMasq` with `ipMasqBackend`: by iptables in the chain of the reference plugins, else natively.
//!
//!     -t nat  POSTROUTING -s 10.22.0.5 -j CNI-… ─▶ -d 10.22.0.0/16 ACCEPT · ! -d 224.0.0.0/4 MASQUERADE
//!
//! It is a part of the attachment, as a plugin of the chain would have it.

use ropewalk_engine::Bare;
use ropewalk_facts::IfName;
use ropewalk_spec::Foreign;
use ropewalk_topology::chains::{self, Whose};

use super::Task;
use crate::chain::amendment;
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::outcome::Outcome;

/// The part's name.
const PART: &str = "masquerade";

/// Whose rules masquerade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Nobody's.
    Nobody,
    /// ropewalk's own.
    Us,
    /// Those of iptables.
    Iptables,
}

impl By {
    /// What the configuration asks for.
    pub(crate) fn read(conf: &Conf) -> Result<Self, Fault> {
        let backend = conf.fields.text("ipMasqBackend")?;
        let wanted = conf.fields.truth("ipMasq")? == Some(true);
        match backend.as_str() {
            _ if !wanted => Ok(Self::Nobody),
            "iptables" => Ok(Self::Iptables),
            "" | "nftables" => Ok(Self::Us),
            other => Err(Fault::new(Code::Config, format!("unknown ipmasq backend {other:?}"))
                .details("iptables, nftables")),
        }
    }
}

/// Masquerades what was attached, if by iptables; the attachment goes when that cannot be.
pub(crate) fn add(
    task: &mut Task<'_>,
    bridge: Option<&IfName>,
    outcome: Outcome,
) -> Result<Outcome, Fault> {
    if By::read(task.conf)? != By::Iptables || outcome.ips.is_empty() {
        return Ok(outcome);
    }
    let whom = task.whom(bridge)?;
    let addresses: Vec<_> = outcome.ips.iter().map(|ip| ip.address).collect();
    let whose = Whose { network: &whom.cni.network, container: &whom.cni.container };
    let mut amendment = amendment(PART, format!("{addresses:?}"));
    let all = chains::masquerade(whose, &addresses);
    amendment.lodged = all.into_iter().map(Foreign::Chains).collect();
    let bare = Bare { sandbox: task.sandbox()?, leg: None, addresses, mac: None };
    match task.engine.amend(&whom, &bare, &amendment) {
        Ok(()) => Ok(outcome),
        Err(fault) => {
            task.del(true).ok();
            Err(fault.into())
        }
    }
}
