//! BGP: a configuration for a speaker on this host, which tells the LAN's router of the blocks here.
//!
//!     own blocks, the router's address, two numbers  ─▶  frr.conf, or bird.conf of BIRD 2
//!
//! Each family goes by a session with the router's address of that family. Of a routed network the speaker
//! tells what the kernel has, `unreachable BLOCK proto 114`: a block that may be another host's by now
//! (`fence`) has no such route.  Never here: speaking BGP.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use ropewalk_facts::proto;
use ropewalk_spec::{NetworkName, names};

/// Whom to tell, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The router's addresses, at most one of each family.
    pub routers: Vec<IpAddr>,
    /// The number of this host's autonomous system.
    pub own: u32,
    /// That of the router's.
    pub theirs: u32,
}

/// What this host has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The network.
    pub network: NetworkName,
    /// Its blocks that are here.
    pub blocks: Vec<IpNet>,
    /// Each has a route of its own in the kernel while it is to be told.
    pub routed: bool,
    /// The addresses by which others know the host.
    pub host: Vec<IpAddr>,
}

impl Told {
    fn of(&self, v4: bool) -> impl Iterator<Item = &IpNet> {
        self.blocks.iter().filter(move |net| net.addr().is_ipv4() == v4)
    }

    /// The host's IPv4 address, else a number made of what it has (RFC 6286 asks for no more).
    fn id(&self) -> Ipv4Addr {
        let v4 = |ip: &IpAddr| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None };
        self.host.iter().find_map(v4).unwrap_or_else(|| {
            let texts: Vec<String> = self.host.iter().map(ToString::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let [.., a, b, c, d] = names::hash(&texts).to_be_bytes();
            Ipv4Addr::new(a.max(1), b, c, d)
        })
    }

    /// For FRR: `/etc/frr/frr.conf`, or `vtysh -f`.
    #[must_use]
    pub fn frr(&self, session: &Session) -> String {
        let Session { routers, own, theirs } = session;
        let mut text = format!("! Blocks of {} on this host, told by BGP\n", self.network);
        let _infallible = writeln!(text, "router bgp {own}\n bgp router-id {}", self.id());
        // Without, FRR tells a router of another system nothing that no policy lets out.
        text += " no bgp ebgp-requires-policy\n";
        text += if self.routed { " bgp" } else { " no bgp" };
        text += " network import-check\n no bgp default ipv4-unicast\n";
        for router in routers {
            let _infallible = writeln!(text, " neighbor {router} remote-as {theirs}");
        }
        for router in routers {
            let family = if router.is_ipv4() { "ipv4" } else { "ipv6" };
            let _infallible = writeln!(text, " address-family {family} unicast");
            for block in self.of(router.is_ipv4()) {
                let _infallible = writeln!(text, "  network {block}");
            }
            let _infallible = writeln!(text, "  neighbor {router} activate\n exit-address-family");
        }
        text + "exit\n"
    }

    /// For BIRD 2: `include` it in `/etc/bird/bird.conf`, which has the protocol `device` from its package.
    /// Of a routed network it says what of the kernel is read, which can be said once.
    #[must_use]
    pub fn bird(&self, session: &Session) -> String {
        let Session { routers, own, theirs } = session;
        // Its names are letters, digits and underscores.
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = self.network.as_str().chars().map(plain).collect();
        let mut text = format!("# Blocks of {} on this host, told by BGP\n", self.network);
        if self.routed {
            text += "# In place of the protocols kernel of bird.conf\n";
        }
        let _infallible = writeln!(text, "router id {};", self.id());
        for router in routers {
            let (n, family) = if router.is_ipv4() { (4, "ipv4") } else { (6, "ipv6") };
            let own_blocks = format!("ropewalk_{name}_v{n}");
            text += &match self.routed {
                true => self.learnt(&own_blocks, family, router.is_ipv4()),
                false => self.stated(&own_blocks, family, router.is_ipv4()),
            };
            let _infallible = write!(
                text,
                "protocol bgp ropewalk_{name}_bgp{n} {{\n  local as {own};\n  \
                 neighbor {router} as {theirs};\n  {family} {{\n    import none;\n    \
                 export where proto = \"{own_blocks}\";\n    next hop self;\n  }};\n}}\n"
            );
        }
        text
    }

    /// Has BIRD learn those blocks of the kernel that are this host's.
    fn learnt(&self, name: &str, family: &str, v4: bool) -> String {
        let blocks: Vec<String> = self.of(v4).map(ToString::to_string).collect();
        let import = match blocks.as_slice() {
            [] => "none".to_owned(),
            some => format!(
                "where krt_source = {} && dest = RTD_UNREACHABLE && net ~ [ {} ]",
                proto::ROPEWALK,
                some.join(", ")
            ),
        };
        format!(
            "protocol kernel {name} {{\n  learn;\n  {family} {{\n    import {import};\n    \
             export none;\n  }};\n}}\n"
        )
    }

    /// Tells BIRD the blocks.
    fn stated(&self, name: &str, family: &str, v4: bool) -> String {
        let blocks: String =
            self.of(v4).map(|block| format!("  route {block} unreachable;\n")).collect();
        format!("protocol static {name} {{\n  {family};\n{blocks}}}\n")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    /// As `vtysh -C` takes it.
    const FRR: &str = r"! Blocks of web-1 on this host, told by BGP
router bgp 65001
 bgp router-id 192.168.1.11
 no bgp ebgp-requires-policy
 bgp network import-check
 no bgp default ipv4-unicast
 neighbor 192.168.1.1 remote-as 65000
 neighbor fd00:1::1 remote-as 65000
 address-family ipv4 unicast
  network 10.5.1.0/24
  neighbor 192.168.1.1 activate
 exit-address-family
 address-family ipv6 unicast
  network fd00:5:1::/64
  neighbor fd00:1::1 activate
 exit-address-family
exit
";
    /// As `bird -p` takes it, with the protocol `device` before.
    const BIRD: &str = r#"# Blocks of web-1 on this host, told by BGP
# In place of the protocols kernel of bird.conf
router id 192.168.1.11;
protocol kernel ropewalk_web_1_v4 {
  learn;
  ipv4 {
    import where krt_source = 114 && dest = RTD_UNREACHABLE && net ~ [ 10.5.1.0/24 ];
    export none;
  };
}
protocol bgp ropewalk_web_1_bgp4 {
  local as 65001;
  neighbor 192.168.1.1 as 65000;
  ipv4 {
    import none;
    export where proto = "ropewalk_web_1_v4";
    next hop self;
  };
}
protocol kernel ropewalk_web_1_v6 {
  learn;
  ipv6 {
    import where krt_source = 114 && dest = RTD_UNREACHABLE && net ~ [ fd00:5:1::/64 ];
    export none;
  };
}
protocol bgp ropewalk_web_1_bgp6 {
  local as 65001;
  neighbor fd00:1::1 as 65000;
  ipv6 {
    import none;
    export where proto = "ropewalk_web_1_v6";
    next hop self;
  };
}
"#;

    fn told() -> (Told, Session) {
        let blocks = ["10.5.1.0/24", "fd00:5:1::/64"].map(|net| net.parse().unwrap()).into();
        let host = ["192.168.1.11", "fd00:1::11"].map(|ip| ip.parse().unwrap()).into();
        let routers = ["192.168.1.1", "fd00:1::1"].map(|ip| ip.parse().unwrap()).into();
        let network = "web-1".parse().unwrap();
        (
            Told { network, blocks, routed: true, host },
            Session { routers, own: 65001, theirs: 65000 },
        )
    }

    #[test]
    fn frr_is_told_in_its_words() {
        let (told, session) = told();
        assert_eq!(told.frr(&session), FRR);
    }

    #[test]
    fn a_block_whose_route_is_gone_is_told_no_more() {
        let (told, session) = told();
        assert!(told.frr(&session).contains("\n bgp network import-check\n"), "only with a route");
        assert!(!told.bird(&session).contains("protocol static"), "only what the kernel has");
        let none = Told { blocks: Vec::new(), ..told.clone() };
        assert!(none.bird(&session).contains("    import none;\n    export none;"));
        // Of what has no such route, each is told in any case.
        let bridge = Told { routed: false, ..told };
        assert!(bridge.frr(&session).contains("\n no bgp network import-check\n"));
        assert!(bridge.bird(&session).contains("  ipv4;\n  route 10.5.1.0/24 unreachable;\n}\n"));
        assert!(!bridge.bird(&session).contains("kernel"));
    }

    #[test]
    fn bird_is_told_in_its_words() {
        let (told, session) = told();
        assert_eq!(told.bird(&session), BIRD);
        let host = vec!["fd00:1::11".parse().unwrap()];
        let alone = Told { host, ..told };
        assert_eq!(alone.id(), alone.id(), "without IPv4 it is always the same");
        assert!(!alone.bird(&session).contains("router id 0."));
    }
}
