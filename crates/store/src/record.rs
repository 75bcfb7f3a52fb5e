//! Records: what is remembered of each network and each attachment.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use ropewalk_facts::{IfName, Key, Mac, Ns};
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_spec::{Allow, Lodged, Network, NetworkName, Publish, Rate, SandboxRef, Shared};
use serde::{Deserialize, Serialize};

use crate::dhcp::Dhcp;

/// How far a verb has come with what the record describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being made: some of its changes are in the kernel.
    Pending,
    /// It is there.
    Ready,
    /// It is being removed: some of its changes are undone.
    Leaving,
}

/// Who wanted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A single command.
    Command,
    /// A declaration in this file.
    File(PathBuf),
    /// A container runtime.
    Cni(Cni),
}

impl Origin {
    /// What a runtime calls it, if it was one.
    #[must_use]
    pub fn cni(&self) -> Option<&Cni> {
        match self {
            Self::Cni(cni) => Some(cni),
            Self::Command | Self::File(_) => None,
        }
    }
}

/// What a container runtime calls a network or an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cni {
    /// The network.
    pub network: String,
    /// The container; empty for a network.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// The pod that it belongs to: `NAMESPACE/NAME`, or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// A network as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// What was wanted.
    pub network: Network,
    /// Who wanted it.
    pub origin: Origin,
    /// The interface of its way out.
    pub uplink: Option<IfName>,
    /// The interface of the host that it hangs on, if it is of such a mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<IfName>,
    /// The MTU of its interfaces.
    pub mtu: u32,
    /// What shall be in the kernel for it.
    #[serde(skip)]
    pub plan: Plan,
    /// What was changed to get there.
    #[serde(skip)]
    pub changes: Vec<Change>,
    /// What its attachments were told to share, where a runtime tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<Shared>,
    /// How far it has come.
    pub state: State,
    /// While it is being made or removed: its definition comes and goes with it.
    #[serde(default)]
    pub with_definition: bool,
    /// It is on trial until this moment (milliseconds since boot): unless somebody confirms it by
    /// then, it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_until_ms: Option<u64>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

impl NetworkRecord {
    /// What attachments need of it.
    #[must_use]
    pub fn head(&self) -> NetworkHead {
        NetworkHead {
            network: self.network.clone(),
            parent: self.parent.clone(),
            mtu: self.mtu,
            state: self.state,
            trial_until_ms: self.trial_until_ms,
            shared: self.shared.clone(),
        }
    }
}

/// The plan and the changes of a network, kept apart from the rest of its record: they hold the
/// whole rule set, and reading them takes longer than all else that an attach does in its process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Works<P, C> {
    pub(crate) plan: P,
    pub(crate) changes: C,
}

/// What attachments need of a network's record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NetworkHead {
    /// What was wanted.
    pub network: Network,
    /// The interface of the host that it hangs on, if it is of such a mode.
    #[serde(default)]
    pub parent: Option<IfName>,
    /// The MTU of its interfaces.
    pub mtu: u32,
    /// How far it has come.
    pub state: State,
    /// It is on trial until this moment; see [`NetworkRecord::trial_until_ms`].
    #[serde(default)]
    pub trial_until_ms: Option<u64>,
    /// What its attachments were told to share.
    #[serde(default)]
    pub shared: Vec<Shared>,
}

/// An attachment as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentRecord {
    /// The sandbox, as it was named.
    pub sandbox: SandboxRef,
    /// How plans name its namespace.
    pub ns: Ns,
    /// The kernel's cookie of that namespace: another one has another.
    pub cookie: u64,
    /// The interface in the sandbox.
    pub ifname: IfName,
    /// The network it is on.
    pub network: NetworkName,
    /// The host end of its veth pair.
    pub leg: IfName,
    /// Its addresses: leased as long as the record has them.
    pub addresses: Vec<IpNet>,
    /// Those of them that are not this host's any more: nothing here answers for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fenced: Vec<IpAddr>,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
    /// Its published ports: claimed as long as the record has them.
    pub publish: Vec<Publish>,
    /// How fast it may receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_in: Option<Rate>,
    /// How fast it may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_out: Option<Rate>,
    /// What may come to it, beside answers; anything when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_in: Vec<Allow>,
    /// What it may send, beside answers; anything when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_out: Vec<Allow>,
    /// The metric of the default routes that it was given; none where it has none.
    #[serde(default)]
    pub default_metric: Option<u32>,
    /// What a DHCP server lent it, where its IPv4 address comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<Dhcp>,
    /// What shall be in the kernel for it.
    pub plan: Plan,
    /// What was changed to get there.
    pub changes: Vec<Change>,
    /// Changes for ports on their way in or out: after a crash they are taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubtful: Vec<Change>,
    /// The ports that those are for: claimed like published ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubtful_publish: Vec<Publish>,
    /// What the plugins of a chain have added, in the order in which they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What plugins have among the rules of others. What is of no part is in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lodged: Vec<Lodged>,
    /// What a runtime was answered, to be answered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// How far it has come.
    pub state: State,
    /// The namespace was made for it.
    pub made_netns: bool,
    /// Who wanted it.
    pub origin: Origin,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

impl AttachmentRecord {
    /// The ports that it holds: those that are published, and those in doubt.
    pub(crate) fn ports(&self) -> Vec<Publish> {
        self.publish.iter().chain(&self.doubtful_publish).copied().collect()
    }

    /// What is among the rules of others, and of no part: on its way in or out.
    pub fn stray(&self) -> impl Iterator<Item = &Lodged> {
        let part = |lodged: &&Lodged| !self.parts.iter().any(|part| part.name == lodged.part);
        self.lodged.iter().filter(part)
    }

    /// Which attachment it is the record of.
    #[must_use]
    pub fn key(&self) -> AttachmentKey {
        AttachmentKey { ns: self.ns.clone(), ifname: self.ifname.clone() }
    }
}

/// What one plugin of a chain has added to an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The plugin.
    pub name: String,
    /// What was asked of it, to know the same question again.
    pub asked: String,
    /// What it states in the attachment's plan.
    pub keys: Vec<Key>,
    /// The steps of the plan that its own stand in place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Step>,
    /// What was changed for it.
    pub changes: Vec<Change>,
    /// The ports that it has published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Publish>,
}

/// Which attachment: an interface of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttachmentKey {
    /// How plans name the namespace.
    pub ns: Ns,
    /// The interface in it.
    pub ifname: IfName,
}

impl fmt::Display for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ns, self.ifname)
    }
}

/// A repair of what others made, as it was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRecord {
    /// Its number, from 1 on.
    pub id: u32,
    /// What was wrong, in a sentence.
    pub sentence: String,
    /// The commands that it stands for.
    pub commands: Vec<String>,
    /// The namespaces that it changed something in, but for the host's, and the kernel's cookie of each.
    pub spaces: Vec<(Ns, u64)>,
    /// What was changed.
    pub changes: Vec<Change>,
    /// How far it has come.
    pub state: State,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// What an attachment holds of what is scarce: all that replacing its record must look at.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Holding {
    pub(crate) network: Option<NetworkName>,
    pub(crate) addresses: Vec<IpNet>,
    publish: Vec<Publish>,
    #[serde(default)]
    doubtful_publish: Vec<Publish>,
    #[serde(default)]
    pub(crate) origin: Option<Origin>,
}

impl Holding {
    /// The ports that it holds.
    pub(crate) fn ports(&self) -> Vec<Publish> {
        self.publish.iter().chain(&self.doubtful_publish).copied().collect()
    }
}
