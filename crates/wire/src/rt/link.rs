//! Links.
//!
//!     ip link add NAME [address MAC] [mtu N] [master BR] up type KIND …
//!     ip link set NAME …      ip link property add dev NAME altname ALT      ip link del NAME
//!     struct ifinfomsg { family u8, pad u8, type u16, index i32, flags u32, change u32 }
//!
//! Links are addressed by name, so that a batch may speak of a link that it makes itself.

use ropewalk_facts::{Body, IfName, Link, LinkKind, Mac, VxlanSpec};

use super::consts::*;
use super::{Far, LinkState, Links, Make, conf, ip, kinds, member};
use crate::Error;
use crate::nl::{Attr, Attrs, Message, Request, Writer, attrs, flag, u32_at};

/// Length of `struct ifinfomsg`.
pub(super) const HEADER: usize = 16;

/// What of a link stands in the header of its message: none where it stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    up: Option<bool>,
    promisc: Option<bool>,
    allmulti: Option<bool>,
}

impl Flags {
    /// Those of a new link: all are off.
    fn of_new(link: &Link) -> Self {
        let on = |value: Option<bool>| value.filter(|on| *on);
        Self { up: link.up.then_some(true), promisc: on(link.promisc), allmulti: on(link.allmulti) }
    }

    /// Those that differ.
    fn between(old: &Link, new: &Link) -> Self {
        Self {
            up: (old.up != new.up).then_some(new.up),
            promisc: switched(old.promisc, new.promisc),
            allmulti: switched(old.allmulti, new.allmulti),
        }
    }

    /// Their values, and which are meant.
    fn bits(self) -> (u32, u32) {
        let all = [(IFF_UP, self.up), (IFF_PROMISC, self.promisc), (IFF_ALLMULTI, self.allmulti)];
        let bit = |bit: u32, on: bool| if on { bit } else { 0 };
        all.into_iter().fold((0, 0), |(flags, change), (flag, value)| {
            let on = value == Some(true);
            (flags | bit(flag, on), change | bit(flag, value.is_some()))
        })
    }
}

/// What a switch becomes, where that is not what it was.
fn switched(old: Option<bool>, new: Option<bool>) -> Option<bool> {
    let on = new == Some(true);
    (on != (old == Some(true))).then_some(on)
}

fn header(flags: Flags, index: Option<u32>) -> [u8; HEADER] {
    let (flags, change) = flags.bits();
    let mut bytes = [0; HEADER];
    let (_, tail) = bytes.split_at_mut(4);
    let (i, tail) = tail.split_at_mut(4);
    let (f, c) = tail.split_at_mut(4);
    i.copy_from_slice(&index.unwrap_or_default().to_ne_bytes());
    f.copy_from_slice(&flags.to_ne_bytes());
    c.copy_from_slice(&change.to_ne_bytes());
    bytes
}

/// A body that speaks of the link `name`.
pub(super) fn named(name: &IfName) -> Writer {
    new(name, Flags::default(), None)
}

/// The same of a link that is to be made, and to have an index.
fn new(name: &IfName, flags: Flags, index: Option<u32>) -> Writer {
    let mut w = Writer::with(&header(flags, index));
    w.text(IFLA_IFNAME, name.as_str());
    w
}

pub(super) fn create(
    link: &Link,
    make: Make,
    far: Option<&Far<'_>>,
    links: &Links,
) -> Result<Vec<Request>, Error> {
    // A bridge takes the least MTU of its members, unless one was set after it was made
    // (`br_mtu_auto_adjust`, net/bridge/br_if.c).
    let later = link.mtu.filter(|_| link.kind == LinkKind::Bridge);
    // Nor does the kernel take an alias with a new link (`rtnl_create_link`).
    let mut w = new(&link.name, Flags::of_new(link), far.and_then(|far| far.index));
    looks(&mut w, link.mac, link.mtu.filter(|_| later.is_none()));
    if let Some(master) = &link.master {
        w.u32(IFLA_MASTER, links.need(master)?);
    }
    if link.group != 0 {
        w.u32(IFLA_GROUP, link.group);
    }
    if let Some(length) = link.txqlen {
        w.u32(IFLA_TXQLEN, length);
    }
    if link.kind.stacked() {
        below(&mut w, link, far, links)?;
    }
    let info = w.open(IFLA_LINKINFO);
    w.text(IFLA_INFO_KIND, link.kind.name());
    match &link.kind {
        LinkKind::Veth { peer } => {
            let peer = peer.as_ref().ok_or_else(|| Error::NoPeer(link.name.clone()))?;
            w.nest(IFLA_INFO_DATA, |w| other_end(w, &peer.name, far));
        }
        LinkKind::Vxlan(spec) => {
            let dev = spec.dev.as_ref().map(|d| links.need(d)).transpose()?;
            w.nest(IFLA_INFO_DATA, |w| vxlan(w, spec, dev));
        }
        LinkKind::Macvlan { mode, queue, .. } => w.nest(IFLA_INFO_DATA, |w| {
            w.u32(IFLA_MACVLAN_MODE, mode.number());
            if let Some(length) = queue {
                w.u32(IFLA_MACVLAN_BC_QUEUE_LEN, *length);
            }
        }),
        LinkKind::Ipvlan { mode, .. } => {
            w.nest(IFLA_INFO_DATA, |w| w.u16(IFLA_IPVLAN_MODE, mode.number()));
        }
        LinkKind::Vlan { id, .. } => w.nest(IFLA_INFO_DATA, |w| w.u16(IFLA_VLAN_ID, *id)),
        LinkKind::Bridge => w.nest(IFLA_INFO_DATA, |w| {
            w.bytes(IFLA_BR_MULTI_BOOLOPT, &no_ll_learn());
            if link.vlan_filtering == Some(true) {
                w.u8(IFLA_BR_VLAN_FILTERING, 1);
            }
        }),
        LinkKind::Vrf { table } => w.nest(IFLA_INFO_DATA, |w| w.u32(IFLA_VRF_TABLE, *table)),
        LinkKind::Dummy | LinkKind::Ifb => {}
        // A tap is made through /dev/net/tun.
        LinkKind::Tap(_) | LinkKind::Moved { .. } | LinkKind::Loopback | LinkKind::Other(_) => {
            return Err(Error::Fixed);
        }
    }
    w.close(info);
    // The kernel refuses NLM_F_REPLACE for links; without NLM_F_EXCL it changes what it finds.
    let excl = if make == Make::Exclusive { flag::EXCL } else { 0 };
    let mut all =
        vec![Request { kind: RTM_NEWLINK, flags: flag::CREATE | excl, body: w.finish()? }];
    if later.is_some() || link.alias.is_some() {
        let mut w = named(&link.name);
        looks(&mut w, None, later);
        alias(&mut w, link.alias.as_deref());
        all.push(Request { kind: RTM_NEWLINK, flags: 0, body: w.finish()? });
    }
    all.extend(altnames(RTM_NEWLINKPROP, &link.name, link.altnames.iter())?);
    Ok(all)
}

/// The link that one stands on, and where that one is born.
fn below(w: &mut Writer, link: &Link, far: Option<&Far<'_>>, links: &Links) -> Result<(), Error> {
    let lower = link.kind.lower().ok_or_else(|| Error::NoPeer(link.name.clone()))?;
    let index = far.and_then(|far| far.lower);
    w.u32(IFLA_LINK, index.map_or_else(|| links.need(&lower.name), Ok)?);
    if let Some(fd) = far.and_then(|far| far.ns) {
        w.i32(IFLA_NET_NS_FD, fd);
    }
    Ok(())
}

/// What a link and the other end of a veth have alike.
fn looks(w: &mut Writer, mac: Option<Mac>, mtu: Option<u32>) {
    if let Some(mac) = mac {
        w.bytes(IFLA_ADDRESS, &mac.0);
    }
    if let Some(mtu) = mtu {
        w.u32(IFLA_MTU, mtu);
    }
}

/// The text for people; an empty one takes it away.
fn alias(w: &mut Writer, text: Option<&str>) {
    if let Some(text) = text {
        w.bytes(IFLA_IFALIAS, text.as_bytes());
    }
}

/// The other end is a link message of its own. It cannot be born up: the kernel opens it before
/// the pair is joined, and refuses (`veth_newlink`, drivers/net/veth.c; ENOTCONN).
fn other_end(w: &mut Writer, name: &IfName, far: Option<&Far<'_>>) {
    let wish = far.and_then(|f| f.link);
    let at = w.open(VETH_INFO_PEER);
    w.raw(&header(Flags::default(), None));
    w.text(IFLA_IFNAME, name.as_str());
    if let Some(link) = wish {
        looks(w, link.mac, link.mtu);
    }
    if let Some(fd) = far.and_then(|f| f.ns) {
        w.i32(IFLA_NET_NS_FD, fd);
    }
    w.close(at);
}

/// A bridge of ours learns nothing from frames to the groups that no bridge forwards to: they pass
/// no hook where a false sender could be told (`br_handle_frame`, net/bridge/br_input.c). As
/// `struct br_boolopt_multi`: the option's value, and which option is meant.
fn no_ll_learn() -> Vec<u8> {
    let bit = 1u32 << BR_BOOLOPT_NO_LL_LEARN;
    [bit.to_ne_bytes(), bit.to_ne_bytes()].concat()
}

fn vxlan(w: &mut Writer, spec: &VxlanSpec, dev: Option<u32>) {
    w.u32(IFLA_VXLAN_ID, spec.vni);
    w.be16(IFLA_VXLAN_PORT, spec.port);
    w.u8(IFLA_VXLAN_LEARNING, u8::from(spec.learning));
    if let Some(local) = spec.local {
        ip::put(w, if local.is_ipv4() { IFLA_VXLAN_LOCAL } else { IFLA_VXLAN_LOCAL6 }, local);
    }
    if let Some(dev) = dev {
        w.u32(IFLA_VXLAN_LINK, dev);
    }
}

fn altnames<'a>(
    kind: u16,
    dev: &IfName,
    names: impl Iterator<Item = &'a String>,
) -> Result<Option<Request>, Error> {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Ok(None);
    }
    let mut w = named(dev);
    w.nest(IFLA_PROP_LIST, |w| names.for_each(|name| w.text(IFLA_ALT_IFNAME, name)));
    let flags = if kind == RTM_NEWLINKPROP { flag::CREATE | flag::EXCL } else { 0 };
    Ok(Some(Request { kind, flags, body: w.finish()? }))
}

/// What differs between `old` and `new`; `None` in `new.mac` and `new.mtu` differs from nothing.
pub(super) fn change(old: &Link, new: &Link, links: &Links) -> Result<Vec<Request>, Error> {
    if !same_kind(&old.kind, &new.kind) || old.name != new.name {
        return Err(Error::Fixed);
    }
    let flags = Flags::between(old, new);
    let mut w = self::new(&new.name, flags, None);
    let bare = w.len();
    if old.alias != new.alias {
        alias(&mut w, Some(new.alias.as_deref().unwrap_or_default()));
    }
    let mac = new.mac.filter(|m| old.mac != Some(*m));
    let mtu = new.mtu.filter(|m| old.mtu != Some(*m));
    looks(&mut w, mac, mtu);
    if old.group != new.group {
        w.u32(IFLA_GROUP, new.group);
    }
    if old.txqlen != new.txqlen {
        w.u32(IFLA_TXQLEN, new.txqlen.unwrap_or(new.kind.txqlen()));
    }
    if old.master != new.master {
        w.u32(IFLA_MASTER, new.master.as_ref().map_or(Ok(0), |m| links.need(m))?);
    }
    if let Some(on) = switched(old.vlan_filtering, new.vlan_filtering) {
        w.nest(IFLA_LINKINFO, |w| {
            w.text(IFLA_INFO_KIND, new.kind.name());
            w.nest(IFLA_INFO_DATA, |w| w.u8(IFLA_BR_VLAN_FILTERING, u8::from(on)));
        });
    }
    let mut all = Vec::new();
    if w.len() > bare || flags != Flags::default() {
        all.push(Request { kind: RTM_NEWLINK, flags: 0, body: w.finish()? });
    }
    let gone = old.altnames.difference(&new.altnames);
    let come = new.altnames.difference(&old.altnames);
    all.extend(altnames(RTM_DELLINKPROP, &new.name, gone)?);
    all.extend(altnames(RTM_NEWLINKPROP, &new.name, come)?);
    Ok(all)
}

/// True unless a link of kind `a` would have to be made anew to be one of kind `b`.
fn same_kind(a: &LinkKind, b: &LinkKind) -> bool {
    match (a, b) {
        (LinkKind::Veth { peer: Some(a) }, LinkKind::Veth { peer: Some(b) }) => a == b,
        (LinkKind::Veth { .. }, LinkKind::Veth { .. }) => true,
        (
            LinkKind::Macvlan { mode: a, queue: q, .. },
            LinkKind::Macvlan { mode: b, queue: r, .. },
        ) => a == b && (r.is_none() || q == r),
        (LinkKind::Ipvlan { mode: a, .. }, LinkKind::Ipvlan { mode: b, .. }) => a == b,
        (LinkKind::Vlan { id: a, .. }, LinkKind::Vlan { id: b, .. }) => a == b,
        _ => a == b,
    }
}

pub(super) fn delete(name: &IfName) -> Result<Vec<Request>, Error> {
    Ok(vec![Request { kind: RTM_DELLINK, flags: 0, body: named(name).finish()? }])
}

/// A body of the bridge family that speaks of the member of an index.
pub(super) fn bridge_port(index: u32) -> Writer {
    let mut head = header(Flags::default(), Some(index));
    let [family, ..] = &mut head;
    *family = AF_BRIDGE;
    Writer::with(&head)
}

/// Asks for one link by its name, or by an alternative name.
pub(super) fn read(name: &str) -> Result<Request, Error> {
    let mut w = Writer::with(&header(Flags::default(), None));
    let attr = if name.len() > IfName::MAX { IFLA_ALT_IFNAME } else { IFLA_IFNAME };
    w.text(attr, name);
    w.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    Ok(Request { kind: RTM_GETLINK, flags: 0, body: w.finish()? })
}

pub(super) fn dump() -> Result<Request, Error> {
    let mut w = Writer::with(&header(Flags::default(), None));
    w.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    Ok(Request { kind: RTM_GETLINK, flags: flag::DUMP, body: w.finish()? })
}

/// What the table of links wants to know.
pub(super) struct Entry {
    pub(super) index: u32,
    pub(super) gone: bool,
    pub(super) name: Option<IfName>,
    pub(super) mac: Option<Mac>,
}

pub(super) fn entry(message: &Message<'_>) -> Option<Entry> {
    if !matches!(message.kind, RTM_NEWLINK | RTM_DELLINK) {
        return None;
    }
    let read = Read::of(message.body)?;
    Some(Entry {
        index: read.index,
        gone: message.kind == RTM_DELLINK,
        name: read.name(),
        mac: read.mac(),
    })
}

/// The index that a link message of whatever family is about.
pub(super) fn index(body: &[u8]) -> Option<u32> {
    u32_at(body, 4)
}

/// What a link message tells those who watch.
pub(super) fn state(body: &[u8]) -> Option<LinkState> {
    let read = Read::of(body)?;
    Some(LinkState {
        index: read.index,
        name: read.attr(IFLA_IFNAME)?.text()?.to_owned(),
        up: read.flags & IFF_UP != 0,
        running: read.flags & IFF_RUNNING != 0,
        master: read.attr(IFLA_MASTER).and_then(|a| a.u32()),
        mac: read.attr(IFLA_ADDRESS).map(|a| a.data.to_vec()).unwrap_or_default(),
        mtu: read.attr(IFLA_MTU).and_then(|a| a.u32()).unwrap_or_default(),
        behind: read.attr(IFLA_LINK_NETNSID).and_then(|a| a.i32()),
    })
}

pub(super) fn carrier(message: &Message<'_>) -> bool {
    let read = Read::of(message.body).filter(|_| message.kind == RTM_NEWLINK);
    read.is_some_and(|read| read.flags & IFF_LOWER_UP != 0)
}

/// True for the message of a link that is connected, and does not carry packets yet.
pub(super) fn settling(message: &Message<'_>) -> bool {
    let read = Read::of(message.body).filter(|_| message.kind == RTM_NEWLINK);
    read.is_some_and(|read| read.flags & IFF_LOWER_UP != 0 && read.flags & IFF_RUNNING == 0)
}

/// A link message, its header taken apart.
struct Read<'a> {
    index: u32,
    flags: u32,
    list: Attrs<'a>,
}

impl<'a> Read<'a> {
    /// `None` for a short message, and for one of a family such as the bridge's own.
    fn of(body: &'a [u8]) -> Option<Self> {
        if *body.first()? != AF_UNSPEC {
            return None;
        }
        Some(Self {
            index: u32_at(body, 4)?,
            flags: u32_at(body, 8)?,
            list: attrs(body.get(HEADER..)?),
        })
    }

    fn attr(&self, kind: u16) -> Option<Attr<'a>> {
        self.list.clone().first(kind)
    }

    fn name(&self) -> Option<IfName> {
        IfName::new(self.attr(IFLA_IFNAME)?.text()?).ok()
    }

    fn mac(&self) -> Option<Mac> {
        self.attr(IFLA_ADDRESS)?.array().map(Mac)
    }

    /// A switch of the header, where it is on.
    fn flag(&self, flag: u32) -> Option<bool> {
        (self.flags & flag != 0).then_some(true)
    }

    fn filters_vlans(&self) -> Option<bool> {
        let info = self.attr(IFLA_LINKINFO)?.attrs();
        let bridge = info.clone().first(IFLA_INFO_KIND)?.text()? == "bridge";
        let data = info.first(IFLA_INFO_DATA).filter(|_| bridge)?.attrs();
        let on = data.clone().first(IFLA_BR_VLAN_FILTERING)?.u8()? != 0;
        on.then_some(true)
    }

    fn altnames(&self) -> impl Iterator<Item = String> {
        let list = self.attr(IFLA_PROP_LIST).map(|a| a.attrs()).into_iter().flatten();
        list.filter(|a| a.kind == IFLA_ALT_IFNAME).filter_map(|a| a.text()).map(str::to_owned)
    }

    fn kind(&self, links: &Links) -> LinkKind {
        let info = self.attr(IFLA_LINKINFO).map(|a| a.attrs());
        let within = |kind| info.clone().and_then(|i| i.first(kind));
        let name = within(IFLA_INFO_KIND).and_then(|a| a.text()).unwrap_or_default();
        match name {
            "veth" => LinkKind::Veth { peer: self.peer(links) },
            "bridge" => LinkKind::Bridge,
            "dummy" => LinkKind::Dummy,
            "ifb" => LinkKind::Ifb,
            "macvlan" | "ipvlan" | "vlan" | "vrf" | "tun" => within(IFLA_INFO_DATA)
                .and_then(|data| kinds::read(name, &data.attrs(), self.peer(links)))
                .unwrap_or_else(|| LinkKind::Other(name.to_owned())),
            "vxlan" => within(IFLA_INFO_DATA)
                .and_then(|data| vxlan_spec(&data.attrs(), links))
                .map_or_else(|| LinkKind::Other(name.to_owned()), LinkKind::Vxlan),
            "" if self.flags & IFF_LOOPBACK != 0 => LinkKind::Loopback,
            _ => LinkKind::Other(name.to_owned()),
        }
    }

    fn peer(&self, links: &Links) -> Option<ropewalk_facts::Peer> {
        let nsid = self.attr(IFLA_LINK_NETNSID).and_then(|a| a.i32());
        links.peer(nsid, self.attr(IFLA_LINK)?.u32()?)
    }
}

fn vxlan_spec(list: &Attrs<'_>, links: &Links) -> Option<VxlanSpec> {
    let attr = |kind| list.clone().first(kind);
    let local = attr(IFLA_VXLAN_LOCAL).or_else(|| attr(IFLA_VXLAN_LOCAL6));
    let dev = attr(IFLA_VXLAN_LINK).and_then(|a| a.u32()).and_then(|i| links.name(i));
    Some(VxlanSpec {
        vni: attr(IFLA_VXLAN_ID)?.u32()?,
        port: attr(IFLA_VXLAN_PORT)?.be16()?,
        local: local.and_then(|a| ip::read(a.data)),
        dev: dev.cloned(),
        learning: attr(IFLA_VXLAN_LEARNING).and_then(|a| a.u8()).is_some_and(|v| v != 0),
    })
}

/// The link; where it is a member of a bridge, its flags as one; its settings.
pub(super) fn decode(body: &[u8], links: &Links) -> Result<Vec<Body>, Error> {
    let short = || Error::Malformed { kind: RTM_NEWLINK };
    if *body.first().ok_or_else(short)? != AF_UNSPEC {
        return Ok(Vec::new());
    }
    let read = Read::of(body).ok_or_else(short)?;
    let Some(name) = read.name() else { return Ok(Vec::new()) };
    let master = read.attr(IFLA_MASTER).and_then(|a| a.u32()).filter(|index| *index != 0);
    let master = master.map(|index| links.dev(index)).transpose()?.flatten();
    let kind = read.kind(links);
    let usual = kind.txqlen();
    let mut all = vec![Body::Link(Link {
        kind,
        mac: read.mac(),
        mtu: read.attr(IFLA_MTU).and_then(|a| a.u32()),
        up: read.flags & IFF_UP != 0,
        master,
        altnames: read.altnames().collect(),
        alias: read.attr(IFLA_IFALIAS).and_then(|a| a.text()).map(str::to_owned),
        group: read.attr(IFLA_GROUP).and_then(|a| a.u32()).unwrap_or_default(),
        promisc: read.flag(IFF_PROMISC),
        allmulti: read.flag(IFF_ALLMULTI),
        vlan_filtering: read.filters_vlans(),
        txqlen: read.attr(IFLA_TXQLEN).and_then(|a| a.u32()).filter(|n| *n != usual),
        name: name.clone(),
    })];
    all.extend(read.attr(IFLA_LINKINFO).and_then(|a| member::flags(&name, a)).map(Body::Member));
    if let Some(spec) = read.attr(IFLA_AF_SPEC) {
        all.extend(conf::sysctls(&name, spec).into_iter().map(Body::Sysctl));
    }
    Ok(all)
}
