//! Single rules in the chains of many.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ropewalk_spec::{Line, Publish, Sign};

use super::{FORWARD, MASQ, SETMARK, pairs};

/// As many ports as one rule takes (`XT_MULTI_PORTS`).
const PORTS_MAX: usize = 15;

/// The way from `chain` into another.
pub(super) fn entry(chain: &str, rule: &str, into: &str) -> Line {
    Line {
        chain: chain.into(),
        rule: format!("{rule} -j {into}"),
        sign: Sign::Leads(into.into()),
        first: false,
        stays: true,
    }
}

/// What sets the bit of the mark, and what looks at it.
pub(super) fn marking(bit: u8) -> Vec<Line> {
    let value = 1_u32.checked_shl(bit.into()).unwrap_or_default();
    let marked = |chain: &str, rule: String| Line {
        chain: chain.into(),
        rule,
        sign: Sign::Marks(value),
        first: false,
        stays: true,
    };
    let comment = |text: &str| format!("-m comment --comment \"{text}\"");
    vec![
        marked(
            SETMARK,
            format!(
                "{} -j MARK --set-xmark {value:#x}/{value:#x}",
                comment("CNI portfwd masquerade mark")
            ),
        ),
        marked(MASQ, format!("-m mark --mark {value:#x}/{value:#x} -j MASQUERADE")),
        // Before the chains of masquerading, which would decide otherwise.
        Line {
            first: true,
            ..entry("POSTROUTING", &comment("CNI portfwd requiring masquerade"), MASQ)
        },
    ]
}

/// From the forward hook to the firewall's chain, and from there to the administrator's first.
pub(super) fn doors(admin: &str) -> Vec<Line> {
    let door = |chain, comment: &str, into: &str| Line {
        first: true,
        ..entry(chain, &format!("-m comment --comment \"{comment}\""), into)
    };
    vec![
        door("FORWARD", "CNI firewall plugin rules", FORWARD),
        door(FORWARD, "CNI firewall plugin admin overrides", admin),
    ]
}

/// Answers to an address, and all that it sends.
pub(super) fn passing(ip: IpAddr) -> [Line; 2] {
    let len = if ip.is_ipv6() { 128 } else { 32 };
    let line = |rule: String, sign| Line {
        chain: FORWARD.into(),
        rule: format!("{rule} -j ACCEPT"),
        sign,
        first: false,
        stays: false,
    };
    let answers = "-m conntrack --ctstate RELATED,ESTABLISHED";
    [
        line(format!("-d {ip}/{len} {answers}"), Sign::To(ip)),
        line(format!("-s {ip}/{len}"), Sign::From(ip)),
    ]
}

/// The ports of the host by protocol, as many at a time as a rule takes.
pub(super) fn ports(all: &[Publish]) -> Vec<(String, String)> {
    let mut by_proto: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for publish in all {
        let list = by_proto.entry(publish.proto.to_string()).or_default();
        for port in pairs(publish).map(|(port, _)| port.to_string()) {
            if !list.contains(&port) {
                list.push(port);
            }
        }
    }
    let parts = |(proto, list): (String, Vec<String>)| -> Vec<(String, String)> {
        list.chunks(PORTS_MAX).map(|part| (proto.clone(), part.join(","))).collect()
    };
    by_proto.into_iter().flat_map(parts).collect()
}
