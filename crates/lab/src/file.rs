//! The lab file: TOML in, a [`Lab`] that holds together out, or a mistake with line and column.
//!
//!     name = "pair"
//!     [lan.wan]
//!     subnet = ["203.0.113.0/24"]
//!     [host.h1]
//!     nic.eth0 = { lan = "wan", ip = ["203.0.113.1"] }
//!     [host.h1.container.red]
//!     [[step]]
//!     say = "h1 can reach itself"
//!     probe = [{ from = "h1", do = "ping 203.0.113.1", expect = "ok" }]
//!
//! docs/tutorials/README.md lists every key.  Never here: files, the kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use ropewalk_facts::IfName;
use serde::Deserialize;
use toml::Spanned;

use crate::check;
use crate::flaw::{FileError, Flaw};
use crate::model::Lab;
use crate::name::{Name, Place};

/// The file as it is written: every value well-formed by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLab {
    pub(crate) name: Name,
    pub(crate) about: Option<String>,
    #[serde(default)]
    pub(crate) lan: Table<RawLan>,
    #[serde(default)]
    pub(crate) host: Table<RawHost>,
    #[serde(default)]
    pub(crate) step: Vec<RawStep>,
}

/// Tables by name. Their spans tell the order of the file, which the map does not.
type Table<T> = BTreeMap<Name, Spanned<T>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLan {
    pub(crate) subnet: Vec<Spanned<IpNet>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHost {
    #[serde(default)]
    pub(crate) nic: BTreeMap<IfName, Spanned<RawNic>>,
    #[serde(default)]
    pub(crate) bridge: BTreeMap<IfName, Spanned<RawBridge>>,
    #[serde(default)]
    pub(crate) gateway: Vec<Spanned<IpAddr>>,
    #[serde(default)]
    pub(crate) forward: bool,
    #[serde(default)]
    pub(crate) routes: BTreeMap<IpNet, Spanned<IpAddr>>,
    pub(crate) process: Option<String>,
    #[serde(default)]
    pub(crate) container: Table<RawContainer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNic {
    pub(crate) lan: Spanned<Name>,
    pub(crate) ip: Vec<Spanned<IpAddr>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBridge {
    pub(crate) ip: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawContainer {
    #[serde(default = "yes")]
    pub(crate) named: bool,
    pub(crate) process: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStep {
    pub(crate) say: Spanned<String>,
    pub(crate) on: Option<Spanned<Place>>,
    #[serde(default)]
    pub(crate) run: Vec<String>,
    #[serde(default)]
    pub(crate) probe: Vec<RawProbe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProbe {
    pub(crate) from: Spanned<Place>,
    pub(crate) r#do: Spanned<String>,
    pub(crate) expect: Spanned<String>,
}

impl Lab {
    /// Reads a lab file's `text`; `file` is what the errors call it.
    ///
    /// # Errors
    /// The first mistake, with its place in the file.
    pub fn parse(file: &str, text: &str) -> Result<Self, FileError> {
        let located = |flaw, span: Range<usize>| FileError {
            place: Box::new(ropewalk_spec::Place::new(file, text, span)),
            flaw,
        };
        let raw: RawLab = toml::from_str(text).map_err(|e| {
            located(Flaw::Form(e.message().replace('\n', ", ")), e.span().unwrap_or(0..0))
        })?;
        check::lab(raw).map_err(|(flaw, span)| located(flaw, span))
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test may stop at the first surprise"
)]
mod tests {
    use expect_test::expect;

    use super::*;

    const PAIR: &str = r#"
name = "pair"
[lan.wan]
subnet = ["203.0.113.0/24", "2001:db8::/64"]
[lan.office]
subnet = ["192.168.2.0/24"]
[host.router]
nic.eth0 = { lan = "wan", ip = ["203.0.113.1", "2001:db8::1"] }
nic.eth1 = { lan = "office", ip = ["192.168.2.1"] }
forward = true
[host.h1]
nic.eth0 = { lan = "office", ip = ["192.168.2.10"] }
gateway = ["192.168.2.1"]
routes = { "10.9.0.0/24" = "192.168.2.20" }
[host.h1.container.red]
[host.h1.container.app]
named = false
process = "sleep 60"
[[step]]
say = "out"
on = "h1"
run = ["true"]
probe = [{ from = "h1/red", do = "ping 203.0.113.1", expect = "fail" }]
"#;

    #[test]
    fn a_lab_keeps_the_order_of_the_file() {
        let lab = Lab::parse("pair.toml", PAIR).unwrap();
        let lans: Vec<_> = lab.lans.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(lans, ["wan", "office"]);
        let places: Vec<_> = lab.places().map(|p| p.to_string()).collect();
        assert_eq!(places, ["router", "h1", "h1/red", "h1/app"]);
    }

    #[test]
    fn addresses_take_the_prefix_of_their_lan() {
        let lab = Lab::parse("pair.toml", PAIR).unwrap();
        let nic = lab.hosts.first().and_then(|h| h.nics.first()).unwrap();
        assert_eq!(format!("{:?}", nic.addrs), "[203.0.113.1/24, 2001:db8::1/64]");
    }

    /// What is said when `old` in the file is written as `new`.
    fn flaw(old: &str, new: &str) -> String {
        assert!(PAIR.contains(old), "{old}");
        match Lab::parse("pair.toml", &PAIR.replacen(old, new, 1)) {
            Ok(_) => format!("nothing is wrong with {new}"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn mistakes_are_told_with_line_and_column() {
        let all = [
            flaw("name = \"pair\"", "name = \"Pair\""),
            flaw("name = \"pair\"", "name = "),
            flaw("subnet = [\"192.168.2.0/24\"]", "subnets = []"),
            flaw("192.168.2.0/24", "192.168.2.1/24"),
            flaw("192.168.2.0/24", "203.0.0.0/16"),
            flaw("lan = \"office\"", "lan = \"ofice\""),
            flaw("203.0.113.1\"", "203.0.113.255\""),
            flaw("192.168.2.10", "192.168.2.1"),
            flaw("192.168.2.10", "192.168.2.300"),
            flaw("gateway = [", "bridge.eth0 = { ip = [] }\ngateway = ["),
            flaw("gateway = [\"192.168.2.1\"]", "gateway = [\"192.168.3.1\"]"),
            flaw("gateway = [\"192.168.2.1\"]", "gateway = [\"192.168.2.1\", \"192.168.2.9\"]"),
            flaw("\"10.9.0.0/24\" =", "\"fd00::/64\" ="),
            flaw("10.9.0.0/24", "10.9.0.1/24"),
            flaw("nic.eth1", "nic.abcdefghijkl"),
            flaw("process = \"sleep 60\"", ""),
            flaw("on = \"h1\"", ""),
            flaw("h1/red", "h1/blue"),
            flaw("ping 203.0.113.1", "ping h1"),
            flaw("expect = \"fail\"", "expect = \"sees 1.2.3.4\""),
        ];
        expect![[r#"
            pair.toml:2:8: `Pair` must be of a-z, 0-9 and `-`, and begin with a letter
            pair.toml:2:8: string values must be quoted, expected literal string
            pair.toml:6:1: unknown field `subnets`, expected `subnet`
            pair.toml:6:11: 192.168.2.1/24 is not a subnet: did you mean 192.168.2.0/24?
            pair.toml:6:11: 203.0.0.0/16 overlaps with 203.0.113.0/24 of LAN `wan`
            pair.toml:9:20: there is no LAN `ofice`: add [lan.ofice]
            pair.toml:8:33: 203.0.113.255 is no address of a host in LAN `wan`
            pair.toml:12:36: 192.168.2.1 is already the address of eth1 on `router`
            pair.toml:12:36: invalid IP address syntax
            pair.toml:13:15: the host has an interface `eth0` already
            pair.toml:13:12: 192.168.3.1 is on no LAN that this host is plugged into
            pair.toml:13:27: 192.168.2.9 is a second gateway of its family: one for IPv4 and one for IPv6 is the most
            pair.toml:14:26: the next hop 192.168.2.20 is not of the family of fd00::/64
            pair.toml:14:28: 10.9.0.1/24 is not a subnet: did you mean 10.9.0.0/24?
            pair.toml:9:20: `router-abcdefghijkl` is too long: it names the LAN's end of the cable, 15 characters at most
            pair.toml:16:1: `app` has `named = false` and no `process`: nothing would hold it
            pair.toml:20:7: `run` needs `on`, the host that it runs on
            pair.toml:23:19: there is no host or container `h1/blue` in this lab
            pair.toml:23:34: `ping h1` is not of the form `ping ADDRESS`, `http ADDRESS:PORT` or `http [ADDRESS]:PORT`
            pair.toml:23:63: `sees` can only be expected of `http`"#]].assert_eq(&all.join("\n"));
    }

    #[test]
    fn no_cut_or_changed_file_panics() {
        for at in 0..PAIR.len() {
            let _ = Lab::parse("x", &PAIR[..at]);
            let _ = Lab::parse("x", &format!("{}\u{e9}{}", &PAIR[..at], &PAIR[at..]));
        }
    }
}
