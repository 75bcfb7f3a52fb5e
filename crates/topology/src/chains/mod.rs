//! The chains that CNI's reference plugins have in iptables: what people and nerdctl read there.
//!
//!     nat     PREROUTING, OUTPUT ─▶ CNI-HOSTPORT-DNAT ─▶ CNI-DN-… (one container) ─▶ DNAT, SETMARK
//!             POSTROUTING ─▶ CNI-HOSTPORT-MASQ                     marked ─▶ MASQUERADE
//!             POSTROUTING ─▶ CNI-… (one container)                 out of its subnet ─▶ MASQUERADE
//!     filter  FORWARD ─▶ CNI-FORWARD ─▶ CNI-ADMIN, then two rules for each address
//!
//! Names and rules are those that the reference plugins work out, so that either can take away what
//! the other has made.  Never here: running iptables, reading.

mod found;
mod lines;
mod script;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_spec::{Chains, Line, Own, Publish};
use sha2::{Digest as _, Sha512};

pub use found::{belongs, containers, leaving, sources};
pub use script::{quoted, script};

use lines::{entry, marking, ports};

/// The longest name of a chain that is made.
const NAME_MAX: usize = 28;
/// The longest comment.
const COMMENT_MAX: usize = 255;
/// Those that many use.
pub const DNAT: &str = "CNI-HOSTPORT-DNAT";
const SETMARK: &str = "CNI-HOSTPORT-SETMARK";
const MASQ: &str = "CNI-HOSTPORT-MASQ";
/// The firewall's chain.
pub const FORWARD: &str = "CNI-FORWARD";
/// Where administrators have the first word, unless it is called otherwise.
pub const ADMIN: &str = "CNI-ADMIN";
/// The bit of the mark that asks for masquerading, unless another is.
pub const MARK_BIT: u8 = 13;

/// Whose chains they are: what the runtime calls network and container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The network.
    pub network: &'a str,
    /// The container.
    pub container: &'a str,
}

/// How ports are published.
#[derive(Clone, Copy, Debug)]
pub struct Mapping<'a> {
    /// The ports.
    pub ports: &'a [Publish],
    /// What comes from the container itself and from 127.0.0.1 is masqueraded.
    pub snat: bool,
    /// And what comes from anywhere.
    pub all: bool,
    /// By a bit of the mark, or by somebody's chain.
    pub mark: Mark<'a>,
    /// What else a packet has to be like, of IPv4 and of IPv6, as iptables spells it.
    pub conditions: [&'a [String]; 2],
}

/// What asks for masquerading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// This bit of the mark.
    Bit(u8),
    /// This chain.
    Chain(&'a str),
}

/// What the names of a container's chains begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Masquerading.
    Masquerade,
    /// Ports.
    Dnat,
    /// What old plugins made for ports.
    Snat,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Masquerade, Self::Dnat, Self::Snat];

    fn begins(self) -> &'static str {
        match self {
            Self::Masquerade => "CNI-",
            Self::Dnat => "CNI-DN-",
            Self::Snat => "CNI-SN-",
        }
    }
}

impl Whose<'_> {
    /// The name of a chain.
    #[must_use]
    pub fn chain(&self, kind: Kind) -> String {
        let hash = Sha512::new().chain_update(self.network).chain_update(self.container).finalize();
        let digits = hash.iter().map(|byte| format!("{byte:02x}"));
        let name = kind.begins().to_owned() + &digits.collect::<String>();
        name.chars().take(NAME_MAX).collect()
    }

    /// `name: "net" id: "container"`.
    #[must_use]
    pub fn comment(&self) -> String {
        let text = format!("name: \"{}\" id: \"{}\"", self.network, self.container);
        text.chars().take(COMMENT_MAX).collect()
    }
}

/// What `mapping` takes for a container with these addresses: a table for each family that a port is of.
#[must_use]
pub fn portmap(whose: Whose<'_>, addresses: &[IpNet], mapping: &Mapping<'_>) -> Vec<Chains> {
    // The first address of a family counts, as it does with the reference plugins.
    let first = |v6: bool| addresses.iter().find(|net| net.addr().is_ipv6() == v6);
    let both = [first(false), first(true)].into_iter().flatten();
    both.map(|net| mapped(whose, *net, mapping)).collect()
}

fn mapped(whose: Whose<'_>, net: IpNet, mapping: &Mapping<'_>) -> Chains {
    let v6 = net.addr().is_ipv6();
    let (mut common, mut lines) = (vec![DNAT.to_owned()], Vec::new());
    for chain in ["PREROUTING", "OUTPUT"] {
        lines.push(entry(chain, "-m addrtype --dst-type LOCAL", DNAT));
    }
    if let (true, Mark::Bit(bit)) = (mapping.snat, mapping.mark) {
        common.extend([SETMARK.to_owned(), MASQ.to_owned()]);
        lines.extend(marking(bit));
    }
    let own = whose.chain(Kind::Dnat);
    let comment = quoted(&format!("dnat {}", whose.comment()));
    let conditions = mapping.conditions.get(usize::from(v6)).copied().unwrap_or_default();
    let conditions: Vec<String> = conditions.iter().map(|word| quoted(word)).collect();
    for (proto, list) in ports(mapping.ports) {
        let words = [
            &["-m comment --comment".to_owned(), comment.clone()][..],
            &[format!("-p {proto} -m multiport --destination-ports {list}")],
        ];
        let mut words: Vec<String> = words.concat();
        words.extend(conditions.iter().cloned());
        lines.push(Line { stays: false, ..entry(DNAT, &words.join(" "), &own) });
    }
    let rules = mapping.ports.iter().flat_map(|port| led(port, net, mapping)).collect();
    Chains { v6, table: "nat".into(), common, own: Some(Own { chain: own, rules }), lines }
}

/// The rules of one mapping; none where it is for addresses of the other family.
fn led(publish: &Publish, net: IpNet, mapping: &Mapping<'_>) -> Vec<String> {
    let v6 = net.addr().is_ipv6();
    let host = publish.host.filter(|ip| !ip.is_unspecified());
    if publish.host.is_some_and(|ip| ip.is_ipv6() != v6) {
        return Vec::new();
    }
    let to = host.map(|ip| format!(" -d {ip}")).unwrap_or_default();
    let target = match mapping.mark {
        Mark::Bit(_) => SETMARK.to_owned(),
        Mark::Chain(name) => quoted(name),
    };
    let mut rules = Vec::new();
    for (at, inside) in pairs(publish) {
        let begin = format!("-p {} --dport {at}{to}", publish.proto);
        let mut mark = |from: &str| rules.push(format!("{begin} -s {from} -j {target}"));
        match (mapping.snat, mapping.all, v6) {
            (true, true, false) => mark("0.0.0.0/0"),
            (true, true, true) => mark("::/0"),
            (true, false, _) => {
                mark(&net.to_string());
                if !v6 {
                    mark("127.0.0.1");
                }
            }
            (false, ..) => {}
        }
        let ip = match net.addr() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        rules.push(format!("{begin} -j DNAT --to-destination {ip}:{inside}"));
    }
    rules
}

fn pairs(publish: &Publish) -> impl Iterator<Item = (u16, u16)> + use<> {
    let hosts = publish.host_ports.first()..=publish.host_ports.last();
    hosts.zip(publish.ports.first()..=publish.ports.last())
}

/// What leaves the subnets of a container takes the host's address.
#[must_use]
pub fn masquerade(whose: Whose<'_>, addresses: &[IpNet]) -> Vec<Chains> {
    let of = |v6: bool| addresses.iter().filter(move |net| net.addr().is_ipv6() == v6);
    let families = [false, true].into_iter().filter(|v6| of(*v6).next().is_some());
    let own = whose.chain(Kind::Masquerade);
    let comment = format!("-m comment --comment {}", quoted(&whose.comment()));
    let one = |v6: bool| {
        let many = if v6 { "ff00::/8" } else { "224.0.0.0/4" };
        let near = of(v6).map(|net| format!("-d {} {comment} -j ACCEPT", net.trunc()));
        let far = format!("! -d {many} {comment} -j MASQUERADE");
        let line = |net: &IpNet| Line {
            stays: false,
            ..entry("POSTROUTING", &format!("-s {} {comment}", net.addr()), &own)
        };
        Chains {
            v6,
            table: "nat".into(),
            common: Vec::new(),
            own: Some(Own { chain: own.clone(), rules: near.chain([far]).collect() }),
            lines: of(v6).map(line).collect(),
        }
    };
    families.map(one).collect()
}

/// What is forwarded from the addresses, and the answers to it, are let through.
#[must_use]
pub fn firewall(addresses: &[IpNet], admin: &str) -> Vec<Chains> {
    let of = |v6: bool| addresses.iter().filter(move |net| net.addr().is_ipv6() == v6);
    let families = [false, true].into_iter().filter(|v6| of(*v6).next().is_some());
    families
        .map(|v6| {
            let mut lines = lines::doors(admin);
            lines.extend(of(v6).flat_map(|net| lines::passing(net.addr())));
            let common = vec![FORWARD.to_owned(), admin.to_owned()];
            Chains { v6, table: "filter".into(), common, own: None, lines }
        })
        .collect()
}
