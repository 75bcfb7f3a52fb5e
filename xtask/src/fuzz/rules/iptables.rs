//! Random rules of iptables-nft and ip6tables-nft, as iptables-restore reads them, one a line.
//!
//!     iptables filter -A FORWARD -p tcp -m multiport --dports 80,443 -m mark --mark 1/3 -j REJECT
//!
//! A line that it refuses is left out.  Never here: what the rules do.

use super::super::chance::Chance;

/// The chains of each table.
pub(super) const TABLES: [(&str, &str); 4] = [
    ("raw", "PREROUTING OUTPUT"),
    ("mangle", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"),
    ("nat", "PREROUTING INPUT OUTPUT POSTROUTING"),
    ("filter", "INPUT FORWARD OUTPUT"),
];
const SOME4: &str = "10.1.0.2 10.1.0.0/24 10.2.0.2 10.2.0.0/25 198.51.100.1 10.0.0.0/8";
const SOME6: &str = "fd01::2 fd01::/64 fd02::2 fd02::/64 fd09::1 fd00::/8";

/// Some rules of one family.
pub(super) fn draw(chance: &mut Chance) -> Vec<String> {
    let v6 = chance.one_in(3);
    let tool = if v6 { "ip6tables" } else { "iptables" };
    let count = 3 + chance.below(10);
    let one = |_| {
        let at = usize::try_from(chance.below(4)).unwrap_or(0);
        let (table, chains) = TABLES.get(at).copied().unwrap_or(("filter", "FORWARD"));
        let chain = chance.of_words(chains);
        let asked = [asked(chance, v6, chain), more(chance, v6, chain)].concat();
        format!("{tool} {table} -A {chain}{asked} {}", target(chance, v6, table, chain))
    };
    (0..count).map(one).collect()
}

/// Addresses, links, protocol.
fn asked(c: &mut Chance, v6: bool, chain: &str) -> String {
    let some = if v6 { SOME6 } else { SOME4 };
    let not = |c: &mut Chance| if c.one_in(4) { " !" } else { "" };
    let mut all = String::new();
    for option in ["-s", "-d"] {
        let (no, net) = (not(c), c.of_words(some));
        all += &c.maybe(3, |_| format!("{no} {option} {net}"));
    }
    if !matches!(chain, "OUTPUT" | "POSTROUTING") {
        let (no, dev) = (not(c), c.of_words("va vb v+ lo"));
        all += &c.maybe(5, |_| format!("{no} -i {dev}"));
    }
    if !matches!(chain, "PREROUTING" | "INPUT") {
        let (no, dev) = (not(c), c.of_words("va vb v+ lo"));
        all += &c.maybe(5, |_| format!("{no} -o {dev}"));
    }
    all
}

/// Matches.
fn more(c: &mut Chance, v6: bool, chain: &str) -> String {
    let not = if c.one_in(4) { " !" } else { "" };
    let port = c.of_words("22 53 80 443 8080 9000:9999 1:1023 20000:40000").to_owned();
    let proto = c.of_words("tcp tcp udp").to_owned();
    match c.below(16) {
        0 | 1 => format!(" -p {proto}{not} --dport {port}"),
        2 => format!(" -p {proto}{not} --sport {port}"),
        3 => format!(" -p {proto} -m multiport{not} --dports 53,80,{port}"),
        4 => format!(" -p {proto} -m multiport{not} --ports 22,{port}"),
        5 if v6 => format!(
            " -p ipv6-icmp -m icmp6{not} --icmpv6-type {}",
            c.of_words("echo-request echo-reply")
        ),
        5 => format!(" -p icmp -m icmp{not} --icmp-type {}", c.of_words("8 0 3/1 255")),
        6 | 7 if chain != "PREROUTING" || c.one_in(2) => format!(
            " -m conntrack{not} --ctstate {}",
            c.of_words("NEW ESTABLISHED NEW,ESTABLISHED INVALID RELATED,ESTABLISHED SNAT DNAT")
        ),
        8 => format!(" -m mark{not} --mark {}", c.of_words("0 1 1/1 2/3 0/7")),
        9 => format!(" -m connmark{not} --mark {}", c.of_words("0 1 1/1 2/3")),
        10 => format!(
            " -m addrtype{not} --dst-type {}",
            c.of_words("LOCAL UNICAST BROADCAST LOCAL,BROADCAST")
        ),
        11 if v6 => format!(" -m iprange{not} --src-range fd01::2-fd02::2"),
        11 => format!(" -m iprange{not} --dst-range 10.1.0.3-10.2.0.2"),
        12 => format!(" -m length{not} --length {}", c.of_words("0:60 40 61:1500 84")),
        13 if v6 => format!(" -m hl --hl-{} 64", c.of_words("eq lt gt")),
        13 => format!(" -m ttl --ttl-{} {}", c.of_words("eq lt gt"), c.of_words("63 64")),
        14 if v6 => format!(" -m tos{not} --tos 0"),
        14 => format!(" -m u32{not} --u32 \"{}\"", c.of_words(
            "12=0x0a010002 9&0xff=6 16&0xffffff00=0x0a020000 6&0xff=0x40 0>>22&0x3c@0>>16=0:40000"
        )),
        15 => format!(" -m dscp{not} --dscp 0"),
        _ => String::new(),
    }
}

fn target(c: &mut Chance, v6: bool, table: &str, chain: &str) -> String {
    let to = if v6 { "fd02::3" } else { "10.2.0.3" };
    let socket = if v6 { "[fd02::2]:8080" } else { "10.2.0.2:8080" };
    let own = if v6 { "fd02::1" } else { "10.2.0.1" };
    if table == "nat" {
        return match (chain, c.below(5)) {
            (_, 0) => format!("-j {}", c.of_words("ACCEPT RETURN")),
            ("PREROUTING" | "OUTPUT", 1) => format!("-j DNAT --to-destination {to}"),
            ("PREROUTING" | "OUTPUT", 2) => format!("-p tcp -j DNAT --to-destination {socket}"),
            ("PREROUTING" | "OUTPUT", _) => "-p tcp -j REDIRECT --to-ports 8080".to_owned(),
            ("POSTROUTING", 1 | 2) => "-j MASQUERADE".to_owned(),
            _ => format!("-j SNAT --to-source {own}"),
        };
    }
    match (table, c.below(6)) {
        ("raw", 0) => "-j CT --notrack".to_owned(),
        ("mangle", 0) => format!("-j MARK --set-xmark {}", c.of_words("0x1/0x1 0x2/0x3 0x3 0/0x1")),
        ("mangle", 1) => format!(
            "-j CONNMARK {}",
            c.of_words("--set-xmark=1 --set-xmark=2/3 --save-mark --restore-mark")
                .replace('=', " ")
        ),
        ("mangle", 2) if !v6 => "-j TTL --ttl-set 70".to_owned(),
        ("filter", 0) if v6 => "-j REJECT".to_owned(),
        ("filter", 0) => format!(
            "-j REJECT --reject-with {}",
            c.of_words("icmp-port-unreachable icmp-admin-prohibited")
        ),
        ("filter", 1) => "-j DROP".to_owned(),
        _ => format!("-j {}", c.of_words("ACCEPT RETURN")),
    }
}
