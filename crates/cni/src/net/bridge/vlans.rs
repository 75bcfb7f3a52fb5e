//! Which VLANs of its bridge a container is of.
//!
//!     "vlan": 100                                           its frames have no tag, and are of VLAN 100
//!     "vlanTrunk": [{"id": 101}, {"minID": 200, "maxID": 299}]   its frames have tags of these
//!     "preserveDefaultVlan": false                          and it is of VLAN 1 no more
//!
//! The bridge tells VLANs apart then. Its gateway is on a way of its own into the VLAN, `BRIDGE.VLAN`.

use std::collections::BTreeSet;

use ropewalk_facts::{IfName, MemberVlan};
use ropewalk_spec::{Shared, names};
use ropewalk_topology::of_vlan;

use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::json::Object;

/// The largest number of a VLAN.
const LAST: u16 = 4094;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vlans {
    /// The one that it is of without tags; 0 is none.
    own: u16,
    /// Those that it is of with tags.
    trunk: BTreeSet<u16>,
    /// It stays in the usual one.
    usual: bool,
    /// There is a list, though it may be empty.
    asked: bool,
}

impl Vlans {
    pub(super) fn read(conf: &Conf) -> Result<Self, Fault> {
        let own = conf.fields.number("vlan")?.unwrap_or(0);
        let odd = || format!("invalid VLAN ID {own} (must be between 0 and {LAST})");
        let own = u16::try_from(own).ok().filter(|id| *id <= LAST);
        let own = own.ok_or_else(|| Fault::new(Code::Config, odd()))?;
        let list = conf.fields.objects("vlanTrunk")?;
        let mut trunk = BTreeSet::new();
        for one in &list {
            trunk.extend(ids(one)?);
        }
        if own > 0 && !trunk.is_empty() {
            return config("cannot set vlan and vlanTrunk at the same time");
        }
        let usual = conf.fields.truth("preserveDefaultVlan")? != Some(false);
        Ok(Self { own, trunk, usual, asked: own > 0 || !list.is_empty() })
    }

    /// True when VLANs are none of its business.
    pub(super) fn is_empty(&self) -> bool {
        !self.asked
    }

    /// The VLANs of the container's leg; none where they are those of any.
    pub(super) fn of_member(&self) -> Option<BTreeSet<MemberVlan>> {
        if self.own > 0 {
            return Some(of_vlan(self.own, self.usual));
        }
        if self.trunk.is_empty() {
            return None;
        }
        let tagged = |id: &u16| MemberVlan { id: *id, pvid: false, untagged: false };
        let usual = if self.usual { MemberVlan::usual() } else { BTreeSet::new() };
        let kept = usual.into_iter().filter(|one| !self.trunk.contains(&one.id));
        Some(kept.chain(self.trunk.iter().map(tagged)).collect())
    }

    /// The host's way into the VLAN, which the gateway's address is on.
    pub(super) fn entry(&self, bridge: &IfName) -> Option<Result<IfName, Fault>> {
        let odd = || {
            let what = format!("bridge: {bridge}.{} is too long for an interface's name", self.own);
            Fault::new(Code::Config, what).details("give the bridge a shorter name")
        };
        (self.own > 0).then(|| names::vlan_entry(bridge, self.own).ok_or_else(odd))
    }

    /// That way, as what all containers of the VLAN share.
    pub(super) fn shared(&self, bridge: &IfName) -> Shared {
        Shared::Entry { bridge: bridge.clone(), vlan: self.own, usual: self.usual }
    }
}

/// The VLANs of one entry of the list: one, or from one to another, or both.
fn ids(object: &Object) -> Result<Vec<u16>, Fault> {
    let id = |name: &str| {
        let odd = || Fault::new(Code::Config, format!("bridge: incorrect trunk {name} parameter"));
        let read = |id: u64| u16::try_from(id).ok().filter(|id| (1..=LAST).contains(id));
        object.number(name)?.map(|id| read(id).ok_or_else(odd)).transpose()
    };
    let mut all: Vec<u16> = match (id("minID")?, id("maxID")?) {
        (Some(first), Some(last)) if first <= last => (first..=last).collect(),
        (Some(_), Some(_)) => return config("minID is greater than maxID in trunk parameter"),
        (None, None) => Vec::new(),
        (Some(_), None) | (None, Some(_)) => {
            return config("minID and maxID are to be given both, or neither");
        }
    };
    all.extend(id("id")?);
    Ok(all)
}

fn config<T>(what: &str) -> Result<T, Fault> {
    Err(Fault::new(Code::Config, format!("bridge: {what}")))
}
