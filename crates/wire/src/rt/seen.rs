//! What link, address and traffic-control messages say beside the facts.
//!
//!     ip -d link · tc -s qdisc · tc filter show dev X ingress · ip addr show dadfailed
//!
//! Never here: facts; how a name belongs to an index of another namespace.

use std::net::IpAddr;

use ropewalk_facts::IfName;
use ropewalk_facts::seen::{Classic, Device, Filter, InVlan, NeighTable, Port, Qdisc, Xdp};

use super::index::OtherEnd;
use super::ip;
use super::keys;
use super::link::HEADER;
use crate::Error;
use crate::consts::consts;
use crate::nl::{Attr, Attrs, Message, Request, Writer, attrs, flag, u32_at};
use crate::rt::consts::{AF_BRIDGE, AF_INET, AF_INET6};

consts! {
    "linux/rtnetlink.h";
    RTM_NEWLINK: u16 = 16;
    RTM_GETLINK: u16 = 18;
    RTEXT_FILTER_BRVLAN: u32 = 2;
    RTM_NEWADDR: u16 = 20;
    RTM_NEWQDISC: u16 = 36;
    RTM_NEWTFILTER: u16 = 44;
    RTM_GETTFILTER: u16 = 46;
    TCA_KIND: u16 = 1;
    TCA_OPTIONS: u16 = 2;
    TCA_STATS2: u16 = 7;
    RTM_NEWNEIGHTBL: u16 = 64;
    RTM_GETNEIGHTBL: u16 = 66;

    "linux/pkt_cls.h";
    TCA_BPF_ACT: u16 = 1;
    TCA_BPF_POLICE: u16 = 2;
    TCA_BPF_OPS: u16 = 5;
    TCA_BPF_FLAGS: u16 = 8;
    TCA_BPF_ID: u16 = 11;
    TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

    "linux/neighbour.h";
    NDTA_THRESH3: u16 = 4;
    NDTA_CONFIG: u16 = 5;

    "linux/gen_stats.h";
    TCA_STATS_BASIC: u16 = 1;
    TCA_STATS_QUEUE: u16 = 3;

    "linux/if_link.h";
    IFLA_IFNAME: u16 = 3;
    IFLA_LINK: u16 = 5;
    IFLA_LINKINFO: u16 = 18;
    IFLA_AF_SPEC: u16 = 26;
    IFLA_EXT_MASK: u16 = 29;
    IFLA_CARRIER: u16 = 33;
    IFLA_LINK_NETNSID: u16 = 37;
    IFLA_XDP: u16 = 43;
    IFLA_XDP_ATTACHED: u16 = 2;
    IFLA_XDP_PROG_ID: u16 = 4;
    XDP_ATTACHED_SKB: u8 = 2;
    IFLA_INFO_KIND: u16 = 1;
    IFLA_INFO_DATA: u16 = 2;
    IFLA_INFO_SLAVE_KIND: u16 = 4;
    IFLA_INFO_SLAVE_DATA: u16 = 5;
    IFLA_MACVLAN_MODE: u16 = 1;
    IFLA_VLAN_ID: u16 = 1;
    IFLA_VXLAN_GROUP: u16 = 2;
    IFLA_VXLAN_GROUP6: u16 = 16;
    IFLA_BR_VLAN_FILTERING: u16 = 7;
    IFLA_BRPORT_STATE: u16 = 1;
    IFLA_BRPORT_MODE: u16 = 4;
    IFLA_BRPORT_LEARNING: u16 = 8;
    IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
    IFLA_BRPORT_MCAST_FLOOD: u16 = 27;
    IFLA_BRPORT_BCAST_FLOOD: u16 = 30;
    IFLA_BRPORT_ISOLATED: u16 = 33;
    IFLA_BRPORT_LOCKED: u16 = 39;

    "linux/if_bridge.h";
    IFLA_BRIDGE_VLAN_INFO: u16 = 2;
    BRIDGE_VLAN_INFO_PVID: u16 = 2;
    BRIDGE_VLAN_INFO_UNTAGGED: u16 = 4;

    "linux/if_addr.h";
    IFA_ADDRESS: u16 = 1;
    IFA_LOCAL: u16 = 2;
    IFA_FLAGS: u16 = 8;
    IFA_F_DADFAILED: u32 = 8;
    IFA_F_TENTATIVE: u32 = 0x40;
}

/// Length of `struct tcmsg` and of `struct ifaddrmsg`.
const TCMSG: usize = 20;
const IFADDRMSG: usize = 8;
/// Length of `struct ndtmsg`.
const NDTMSG: usize = 4;

/// The way of a packet that filters stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into the device (`TC_H_CLSACT`, `TC_H_MIN_INGRESS`).
    In,
    /// Out of it.
    Out,
}

/// A link as seen, and where the link is that it sits upon or is paired with.
#[must_use]
pub fn device(message: &Message<'_>) -> Option<(IfName, Device, Option<OtherEnd>)> {
    if message.kind != RTM_NEWLINK || *message.body.first()? != 0 {
        return None;
    }
    let list = attrs(message.body.get(HEADER..)?);
    let attr = |kind| list.clone().first(kind);
    let name = IfName::new(attr(IFLA_IFNAME)?.text()?).ok()?;
    let info = attr(IFLA_LINKINFO).map(|a| a.attrs());
    let of_info = |kind| info.clone().and_then(|i| i.first(kind));
    let kind = of_info(IFLA_INFO_KIND).and_then(|a| a.text()).unwrap_or_default().to_owned();
    let data = of_info(IFLA_INFO_DATA).map(|a| a.attrs());
    let of = |wanted: &str, number| {
        data.clone().filter(|_| kind == wanted).and_then(|d| d.first(number))
    };
    let index = attr(IFLA_LINK).and_then(|a| a.u32()).filter(|i| *i != 0);
    let nsid = attr(IFLA_LINK_NETNSID).and_then(|a| a.i32());
    let other = index.map(|index| OtherEnd { nsid, index });
    let device = Device {
        index: u32_at(message.body, 4)?,
        flags: u32_at(message.body, 8)?,
        carrier: attr(IFLA_CARRIER).and_then(|a| a.u8()).is_some_and(|c| c != 0),
        other: None,
        paired: other.is_some(),
        macvlan: of("macvlan", IFLA_MACVLAN_MODE).and_then(|a| a.u32()),
        vlan: of("vlan", IFLA_VLAN_ID).and_then(|a| a.u16()),
        xdp: xdp(attr(IFLA_XDP)),
        qdiscs: Vec::new(),
        tc_in: Vec::new(),
        tc_out: Vec::new(),
        filters: Vec::new(),
        remote: of("vxlan", IFLA_VXLAN_GROUP)
            .or_else(|| of("vxlan", IFLA_VXLAN_GROUP6))
            .and_then(|a| ip::read(a.data)),
        vlan_filtering: of("bridge", IFLA_BR_VLAN_FILTERING).and_then(|a| a.u8()) == Some(1),
        port: port(of_info(IFLA_INFO_SLAVE_KIND), of_info(IFLA_INFO_SLAVE_DATA)),
        vlans: Vec::new(),
        kind,
    };
    Some((name, device, other))
}

/// The VLANs of all bridges of a namespace and of their members, one by one.
///
/// # Errors
/// None in practice: the message is short.
pub fn vlans() -> Result<Request, Error> {
    let mut head = vec![0; HEADER];
    if let Some(family) = head.first_mut() {
        *family = AF_BRIDGE;
    }
    let mut w = Writer::with(&head);
    w.u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
    Ok(Request { kind: RTM_GETLINK, flags: flag::DUMP, body: w.finish()? })
}

/// The VLANs in an answer, and the index of the link that they are of.
#[must_use]
pub fn vlans_of(message: &Message<'_>) -> Option<(u32, Vec<InVlan>)> {
    if message.kind != RTM_NEWLINK || *message.body.first()? != AF_BRIDGE {
        return None;
    }
    let spec = attrs(message.body.get(HEADER..)?).first(IFLA_AF_SPEC)?.attrs();
    let one = |attr: Attr<'_>| {
        let [a, b, c, d] = *attr.data.first_chunk()?;
        let (flags, id) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]));
        let on = |flag| flags & flag != 0;
        Some(InVlan {
            id,
            pvid: on(BRIDGE_VLAN_INFO_PVID),
            untagged: on(BRIDGE_VLAN_INFO_UNTAGGED),
        })
    };
    let all = spec.filter(|attr| attr.kind == IFLA_BRIDGE_VLAN_INFO).filter_map(one).collect();
    Some((u32_at(message.body, 4)?, all))
}

fn xdp(attr: Option<Attr<'_>>) -> Option<Xdp> {
    let list = attr?.attrs();
    let mode = list.clone().first(IFLA_XDP_ATTACHED)?.u8()?;
    let id = list.first(IFLA_XDP_PROG_ID).and_then(|a| a.u32()).unwrap_or(0);
    (mode != 0).then_some(Xdp { id, generic: mode == XDP_ATTACHED_SKB, always: None })
}

/// What a program of two instructions always returns: `r0 = N; exit`.
#[must_use]
pub fn always(code: &[u8]) -> Option<u32> {
    let [0xb7 | 0xb4, 0, 0, 0, a, b, c, d, 0x95, ..] = *code else { return None };
    (code.len() == 16).then_some(u32::from_ne_bytes([a, b, c, d]))
}

fn port(kind: Option<Attr<'_>>, data: Option<Attr<'_>>) -> Option<Port> {
    if kind?.text()? != "bridge" {
        return None;
    }
    let data = data?.attrs();
    let on = |kind| number(&data, kind).is_some_and(|v| v != 0);
    Some(Port {
        state: number(&data, IFLA_BRPORT_STATE)?,
        locked: on(IFLA_BRPORT_LOCKED),
        broadcast: on(IFLA_BRPORT_BCAST_FLOOD),
        multicast: on(IFLA_BRPORT_MCAST_FLOOD),
        hairpin: on(IFLA_BRPORT_MODE),
        isolated: on(IFLA_BRPORT_ISOLATED),
        flood: on(IFLA_BRPORT_UNICAST_FLOOD),
        learning: on(IFLA_BRPORT_LEARNING),
    })
}

fn number(list: &Attrs<'_>, kind: u16) -> Option<u8> {
    list.clone().first(kind)?.u8()
}

/// The queueing discipline in an answer, and the index of its device.
#[must_use]
pub fn qdisc(message: &Message<'_>) -> Option<(u32, Qdisc)> {
    if message.kind != RTM_NEWQDISC {
        return None;
    }
    let list = attrs(message.body.get(TCMSG..)?);
    let stats = list.clone().first(TCA_STATS2).map(|a| a.attrs());
    let of = |kind| stats.clone().and_then(|s| s.first(kind)).map(|a| a.data);
    let packets = of(TCA_STATS_BASIC).and_then(|d| u32_at(d, 8)).unwrap_or(0);
    let found = Qdisc {
        kind: list.first(TCA_KIND)?.text()?.to_owned(),
        parent: u32_at(message.body, 12)?,
        packets: u64::from(packets),
        drops: of(TCA_STATS_QUEUE).and_then(|d| u32_at(d, 8)).unwrap_or(0),
    };
    Some((u32_at(message.body, 4)?, found))
}

/// The filters of one device on one way.
#[must_use]
pub fn filters(index: u32, way: Way) -> Request {
    let parent: u32 = match way {
        Way::In => 0xffff_fff2,
        Way::Out => 0xffff_fff3,
    };
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend([0; 4]);
    body.extend(parent.to_ne_bytes());
    body.extend([0; 4]);
    Request { kind: RTM_GETTFILTER, flags: flag::DUMP, body }
}

/// The kind of the filter in an answer. What bears no number is none, but heads a list of them.
#[must_use]
pub fn filter(message: &Message<'_>) -> Option<String> {
    if message.kind != RTM_NEWTFILTER || u32_at(message.body, 8)? == 0 {
        return None;
    }
    let kind = attrs(message.body.get(TCMSG..)?).first(TCA_KIND)?.text()?.to_owned();
    // A table of keys is no filter either.
    (kind != "u32" || !keys::is_table(u32_at(message.body, 8)?)).then_some(kind)
}

/// What a filter does, and the number of its program where that is of BPF's newer kind.
/// `None` for one that is not understood.
#[must_use]
pub fn filter_code(message: &Message<'_>, way: Way) -> Option<(Filter, Option<u32>)> {
    let kind = filter(message)?;
    let list = attrs(message.body.get(TCMSG..)?).first(TCA_OPTIONS)?.attrs();
    if kind != "bpf" {
        let handle = u32_at(message.body, 8)?;
        let (code, to) = keys::read(&kind, handle, list)?;
        let [a, b, ..] = u32_at(message.body, 16)?.to_ne_bytes();
        let (out, proto) = (way == Way::Out, u16::from_be_bytes([a, b]));
        return Some((
            Filter { out, proto, direct: true, acts: false, code, always: None, to },
            None,
        ));
    }
    let attr = |kind| list.clone().first(kind);
    let flags = attr(TCA_BPF_FLAGS).and_then(|a| a.u32()).unwrap_or(0);
    let [a, b, ..] = u32_at(message.body, 16)?.to_ne_bytes();
    let (code, _) = attr(TCA_BPF_OPS).map(|a| a.data).unwrap_or_default().as_chunks::<8>();
    let classic = |i: &[u8; 8]| {
        let [c, d, t, f, k0, k1, k2, k3] = *i;
        Classic(u16::from_ne_bytes([c, d]), t, f, u32::from_ne_bytes([k0, k1, k2, k3]))
    };
    let found = Filter {
        out: way == Way::Out,
        proto: u16::from_be_bytes([a, b]),
        direct: flags & TCA_BPF_FLAG_ACT_DIRECT != 0,
        acts: attr(TCA_BPF_ACT).is_some() || attr(TCA_BPF_POLICE).is_some(),
        code: code.iter().map(classic).collect(),
        always: None,
        to: None,
    };
    Some((found, attr(TCA_BPF_ID).and_then(|a| a.u32())))
}

/// The tables of neighbours.
#[must_use]
pub fn tables() -> Request {
    Request { kind: RTM_GETNEIGHTBL, flags: flag::DUMP, body: vec![0; 4] }
}

/// A table of neighbours in an answer. What it says of single links is left out.
#[must_use]
pub fn table(message: &Message<'_>) -> Option<NeighTable> {
    if message.kind != RTM_NEWNEIGHTBL {
        return None;
    }
    let v6 = match *message.body.first()? {
        AF_INET => false,
        AF_INET6 => true,
        _ => return None,
    };
    let list = attrs(message.body.get(NDTMSG..)?);
    let config = list.clone().first(NDTA_CONFIG)?;
    // struct ndt_config { key_len: u16, entry_size: u16, entries: u32 … }
    Some(NeighTable {
        v6,
        entries: u32_at(config.data, 4)?,
        room: list.first(NDTA_THRESH3)?.u32()?,
    })
}

/// An address: the index of its link, and itself.
#[must_use]
pub fn address(message: &Message<'_>) -> Option<(u32, IpAddr)> {
    if message.kind != RTM_NEWADDR {
        return None;
    }
    let list = attrs(message.body.get(IFADDRMSG..)?);
    let own = list.clone().first(IFA_LOCAL).or_else(|| list.clone().first(IFA_ADDRESS))?;
    Some((u32_at(message.body, 4)?, ip::read(own.data)?))
}

/// An address that cannot be used: the index of its link, itself, and whether detection failed.
#[must_use]
pub fn unusable(message: &Message<'_>) -> Option<(u32, IpAddr, bool)> {
    if message.kind != RTM_NEWADDR {
        return None;
    }
    let list = attrs(message.body.get(IFADDRMSG..)?);
    let flags = list.clone().first(IFA_FLAGS)?.u32()?;
    if flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE) == 0 {
        return None;
    }
    let addr = ip::read(list.first(IFA_ADDRESS)?.data)?;
    Some((u32_at(message.body, 4)?, addr, flags & IFA_F_DADFAILED != 0))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        crate::uapi::compare(UAPI);
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        let mut body = vec![0; HEADER];
        body[4] = 7;
        body.extend([9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
        body.extend([5, 0, 33, 0, 1, 0, 0, 0]);
        let of = |body| Message { kind: RTM_NEWLINK, flags: 0, seq: 0, pid: 0, body };
        let (name, device, other) = device(&of(&body)).unwrap();
        assert_eq!((name.as_str(), device.index, device.carrier), ("eth0", 7, true));
        assert_eq!(other, None);
        for end in 0..body.len() {
            let _ = super::device(&of(&body[..end]));
            for kind in [RTM_NEWADDR, RTM_NEWQDISC, RTM_NEWTFILTER, RTM_NEWNEIGHTBL] {
                let message = Message { kind, ..of(&body[..end]) };
                let _ = (unusable(&message), qdisc(&message), filter(&message));
                let _ = (filter_code(&message, Way::In), table(&message));
            }
        }
    }
}
