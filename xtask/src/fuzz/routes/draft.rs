//! Random addresses, routes and policy rules, as lines of ip(8), and settings.
//!
//! Never here: what the kernel makes of them; a line that it refuses is left out by it.

use std::fmt::Write as _;

use super::super::chance::Chance;

/// What a namespace is filled with.
pub(super) struct Draft {
    /// Lines for `ip -4 -batch`.
    pub(super) v4: String,
    /// Lines for `ip -6 -batch`.
    pub(super) v6: String,
    /// A script with the rest.
    pub(super) script: String,
}

/// Its links.
pub(super) const DEVS: &str = "d0 d1 d2 d3";
const NETS4: &str = "0.0.0.0/0 0.0.0.0/0 10.0.0.0/8 10.2.0.0/16 10.2.3.0/24 10.2.3.128/25 10.2.3.4/32 \
    198.51.100.0/24 198.51.100.64/26 203.0.113.0/24 203.0.113.7/32 172.16.0.0/12 192.0.2.0/25 0.0.0.0/1";
const NETS6: &str = "::/0 ::/0 2001:db8::/32 2001:db8:2::/48 2001:db8:2:3::/64 2001:db8:2:3::4/128 \
    fd00::/8 fd00:7::/32 2001:db8:f::/64 2000::/3";
const OWN4: &str = "10.0.0.1/24 10.0.0.7/24 10.1.0.1/16 10.1.4.1/24 172.16.5.1/30 192.0.2.1/24 198.51.100.66/28 10.2.3.5/32";
const OWN6: &str = "2001:db8::1/64 2001:db8:0:1::1/64 fd00::1/48 2001:db8:2:3::9/128 fd00:1::5/64";
const NEAR4: &str = "10.0.0.9 10.0.0.77 10.1.0.9 10.1.4.200 172.16.5.2 192.0.2.44 198.51.100.70";
const NEAR6: &str = "2001:db8::9 2001:db8:0:1::9 fd00::9 fd00:1::9 fe80::1";
const TABLES: &str = "main main 100 100 200 300 local";

/// Draws one.
pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut script = String::new();
    for dev in "all d0 d1 d2 d3".split(' ') {
        for (leaf, values) in [
            ("rp_filter", "0 0 1 2"),
            ("accept_local", "0 0 0 1"),
            ("route_localnet", "0 0 0 1"),
            ("src_valid_mark", "0 1"),
        ] {
            let value = chance.of_words(values);
            let _ = writeln!(script, "echo {value} > /proc/sys/net/ipv4/conf/{dev}/{leaf}");
        }
    }
    for dev in DEVS.split(' ') {
        let on = chance.of_words("0 1 1 1");
        let _ = writeln!(script, "echo {on} > /proc/sys/net/ipv4/conf/{dev}/forwarding");
    }
    if chance.one_in(3) {
        script += "ip link set d3 down\n";
    }
    Draft { v4: family(chance, false), v6: family(chance, true), script }
}

fn family(chance: &mut Chance, v6: bool) -> String {
    let mut lines = String::new();
    for own in (if v6 { OWN6 } else { OWN4 }).split_whitespace() {
        let dev = chance.of_words(DEVS);
        let twice = chance.one_in(4);
        let _ = writeln!(lines, "addr add {own} dev {dev}{}", if v6 { " nodad" } else { "" });
        if twice && !v6 {
            let _ = writeln!(lines, "addr add {own} dev {}", chance.of_words(DEVS));
        }
    }
    for _ in 0..35 {
        let _ = writeln!(lines, "route {}", route(chance, v6));
    }
    for _ in 0..chance.below(12) {
        let _ = writeln!(lines, "rule add {}", rule(chance, v6));
    }
    if chance.one_in(6) {
        let _ = writeln!(
            lines,
            "rule del pref 0\nrule add pref {} lookup local",
            5 + chance.below(3000)
        );
    }
    lines
}

fn route(chance: &mut Chance, v6: bool) -> String {
    let verb = chance.of_words("add add add append");
    let kind = chance.of_words(
        "unicast unicast unicast unicast unicast unicast blackhole unreachable prohibit throw",
    );
    let net = chance.of_words(if v6 { NETS6 } else { NETS4 });
    let table = chance.of_words(TABLES);
    let metric = chance.maybe(2, |c| format!(" metric {}", c.of_words("1 10 10 20 1024 2000")));
    let tos = if v6 { String::new() } else { chance.maybe(12, |_| " tos 0x10".to_owned()) };
    let from = if v6 {
        chance.maybe(12, |c| format!(" from {}", c.of_words("2001:db8::/64 fd00::/8")))
    } else {
        String::new()
    };
    let table = if table == "local" && kind == "unicast" { "main" } else { table };
    let ways = if kind == "unicast" { ways(chance, v6) } else { String::new() };
    format!("{verb} {kind} {net}{from}{tos} table {table}{metric}{ways}")
}

fn ways(chance: &mut Chance, v6: bool) -> String {
    let own = (if v6 { OWN6 } else { OWN4 }).replace("/24", "").replace("/16", "");
    let src = chance.maybe(5, |c| {
        let all = c.of_words(&own).to_owned();
        format!(" src {}", all.split('/').next().unwrap_or_default())
    });
    if chance.one_in(6) {
        let hops: Vec<String> = (0..2 + chance.below(2))
            .map(|_| format!(" nexthop{}", way(chance, v6, true)))
            .collect();
        return format!("{src}{}", hops.concat());
    }
    let gateway = chance.below(3) > 0;
    format!("{src}{}", way(chance, v6, gateway))
}

fn way(chance: &mut Chance, v6: bool, gateway: bool) -> String {
    let near = chance.of_words(if v6 { NEAR6 } else { NEAR4 });
    let dev = chance.of_words(DEVS);
    match (gateway, chance.below(4)) {
        (false, _) => format!(" dev {dev}"),
        (true, 0) => format!(" via {near} dev {dev} onlink"),
        (true, 1) => format!(" via {near} dev {dev}"),
        (true, _) if near == "fe80::1" => format!(" via {near} dev {dev}"),
        (true, _) => format!(" via {near}"),
    }
}

fn rule(chance: &mut Chance, v6: bool) -> String {
    let nets = if v6 { NETS6 } else { NETS4 };
    let not = chance.maybe(8, |_| "not ".to_owned());
    let mut text = format!("{not}pref {}", 1 + chance.below(4000));
    let from = if v6 {
        "2001:db8::/64 fd00::/8 2001:db8:0:1::1 all"
    } else {
        "10.0.0.0/24 10.1.0.0/16 192.0.2.0/24 203.0.113.0/24 10.0.0.1 all"
    };
    text += &chance.maybe(3, |c| format!(" from {}", c.of_words(from)));
    text += &chance.maybe(4, |c| format!(" to {}", c.of_words(nets)));
    text += &chance.maybe(5, |c| format!(" iif {}", c.of_words("d0 d1 d2 lo nosuch")));
    text += &chance.maybe(8, |c| format!(" oif {}", c.of_words("d0 d1 d2")));
    text +=
        &chance.maybe(4, |c| format!(" fwmark {}", c.of_words("1 0x1/0x1 2/3 0/0xff 0x10/0xf0")));
    text += &chance.maybe(10, |c| format!(" ipproto {}", c.of_words("tcp udp icmp")));
    text += &chance.maybe(12, |c| format!(" sport {}", c.of_words("1000-2000 5353 1024-65535")));
    text += &chance.maybe(12, |c| format!(" dport {}", c.of_words("80 53 1-1023")));
    text += &chance.maybe(15, |c| format!(" tos {}", c.of_words("0x10 0x08")));
    text += &chance.maybe(15, |c| format!(" uidrange {}", c.of_words("0-0 1000-2000")));
    text += &match chance.below(12) {
        0 => " blackhole".to_owned(),
        1 => " unreachable".to_owned(),
        2 => " prohibit".to_owned(),
        3 => format!(" goto {}", chance.of_words("1000 2500 3500 32766 32767 5000")),
        4 => " nop".to_owned(),
        5 => {
            let table = chance.of_words("main 100 200");
            format!(" lookup {table} suppress_prefixlength {}", chance.of_words("0 0 8 16 32"))
        }
        6 => format!(
            " lookup {} suppress_ifgroup {}",
            chance.of_words("main 100"),
            chance.of_words("0 7")
        ),
        _ => format!(" lookup {}", chance.of_words("100 100 200 300 main 999")),
    };
    text
}
