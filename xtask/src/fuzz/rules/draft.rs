//! Random rulesets, as nft(8) reads them, one command a line.
//!
//!     tables · chains of every kind and hook · sets, maps, verdict maps · rules
//!
//! A line that nft refuses is left out.  Never here: what the rules do.

use super::super::chance::Chance;

/// The links of the namespace that has the rules.
const DEVS: &str = "va vb lo";
const SOME4: &str = "10.1.0.2 10.1.0.3 10.1.0.1 10.2.0.1 10.2.0.2 10.2.0.3 198.51.100.1 127.0.0.1";
const NETS4: &str = "10.1.0.0/24 10.2.0.0/24 10.0.0.0/8 198.51.100.0/24 127.0.0.0/8 10.2.0.2/31";
const SOME6: &str = "fd01::2 fd01::3 fd01::1 fd02::1 fd02::2 fd02::3 fd09::1 ::1";
const NETS6: &str = "fd01::/64 fd02::/64 fd00::/8 fd09::/16 ::1/128";
const PORTS: &str = "22 53 80 443 8080 9000";
const RANGES: &str = "1-1023 1024-65535 50-100 8000-9999 20000-40000 30000-30001";

/// One of a table's commands, and where it stands.
pub(super) fn draw(chance: &mut Chance) -> Vec<String> {
    let mut lines = Vec::new();
    for nth in 0..2 + chance.below(3) {
        let family = chance.of_words("inet inet inet ip ip ip6 netdev");
        let mut table =
            Table { chance, name: format!("{family} t{nth}"), family, lines: Vec::new() };
        table.fill();
        lines.append(&mut table.lines);
    }
    lines
}

struct Table<'c> {
    chance: &'c mut Chance,
    name: String,
    family: &'static str,
    lines: Vec<String>,
}

impl Table<'_> {
    fn fill(&mut self) {
        let name = self.name.clone();
        self.lines.push(format!("add table {name}"));
        for nth in 0..3 {
            self.lines.push(format!("add chain {name} r{nth}"));
        }
        let chains: Vec<(String, bool)> = (0..1 + self.chance.below(4))
            .map(|nth| {
                let (head, nat) = self.base();
                self.lines.push(format!("add chain {name} b{nth} {{ {head} }}"));
                (format!("b{nth}"), nat)
            })
            .collect();
        self.sets();
        for (chain, nat) in &chains {
            for _ in 0..2 + self.chance.below(5) {
                let rule = self.rule(0, *nat);
                self.lines.push(format!("add rule {name} {chain} {rule}"));
            }
        }
        for nth in 0..3 {
            for _ in 0..1 + self.chance.below(3) {
                let rule = self.rule(nth + 1, false);
                self.lines.push(format!("add rule {name} r{nth} {rule}"));
            }
        }
        if self.chance.one_in(15) {
            self.lines.push(format!("add table {name} {{ flags dormant; }}"));
        }
    }

    /// The head of a base chain, and whether it translates.
    fn base(&mut self) -> (String, bool) {
        let chance = &mut *self.chance;
        let policy = chance.of_words("accept accept accept accept accept drop");
        if self.family == "netdev" {
            let dev = chance.of_words("va vb");
            let hook = chance.of_words("ingress ingress egress");
            let prio = chance.of_words("-10 0 5");
            return (
                format!("type filter hook {hook} device {dev} priority {prio}; policy {policy};"),
                false,
            );
        }
        if chance.one_in(3) {
            let hook =
                chance.of_words("prerouting prerouting output postrouting postrouting input");
            let prio = chance.of_words("-150 -100 -100 0 50 100 100 150");
            return (format!("type nat hook {hook} priority {prio}; policy accept;"), true);
        }
        let prio = chance
            .of_words("-350 -300 -250 -199 -150 -101 -100 -99 -50 0 0 0 10 50 99 100 101 150 300");
        if chance.one_in(8) {
            return (format!("type route hook output priority {prio}; policy {policy};"), false);
        }
        let hook =
            chance.of_words("prerouting input input forward forward forward output postrouting");
        (format!("type filter hook {hook} priority {prio}; policy {policy};"), false)
    }

    fn sets(&mut self) {
        let name = self.name.clone();
        let v6 = self.v6();
        let (some, nets) = if v6 { (SOME6, NETS6) } else { (SOME4, NETS4) };
        let ty = if v6 { "ipv6_addr" } else { "ipv4_addr" };
        let c = &mut *self.chance;
        let host = |c: &mut Chance| c.of_words(some).to_owned();
        let port = |c: &mut Chance| c.of_words(PORTS).to_owned();
        let chain = |c: &mut Chance| c.of_words("accept drop continue return").to_owned();
        let lines = [
            format!("add set {name} hosts {{ type {ty}; elements = {{ {} }}; }}", list(c, 3, host)),
            format!(
                "add set {name} nets {{ type {ty}; flags interval; auto-merge; elements = {{ {}, {} }}; }}",
                c.of_words(nets),
                c.of_words(some)
            ),
            format!(
                "add set {name} ports {{ type inet_service; flags interval; auto-merge; elements = {{ {}, {} }}; }}",
                c.of_words(RANGES),
                c.of_words(PORTS)
            ),
            format!(
                "add set {name} both {{ type {ty} . inet_service; elements = {{ {} }}; }}",
                list(c, 4, |c| format!("{} . {}", c.of_words(some), c.of_words(PORTS)))
            ),
            format!(
                "add set {name} wide {{ type {ty} . inet_proto . inet_service; flags interval; elements = {{ {} . {} . {} }}; }}",
                c.of_words(nets),
                c.of_words("tcp udp"),
                c.of_words(RANGES)
            ),
            format!(
                "add set {name} links {{ type ifname; elements = {{ {} }}; }}",
                list(c, 2, |c| c.of_words("va vb lo").to_owned())
            ),
            format!(
                "add map {name} does {{ type inet_service : verdict; elements = {{ {} }}; }}",
                list(c, 3, |c| format!("{} : {}", port(c), chain(c)))
            ),
            format!(
                "add map {name} marks {{ type {ty} : mark; elements = {{ {} }}; }}",
                list(c, 3, |c| format!("{} : {}", c.of_words(some), c.below(4)))
            ),
            format!(
                "add map {name} to {{ type inet_service : {ty}; elements = {{ {} }}; }}",
                list(c, 3, |c| format!("{} : {}", c.of_words(PORTS), c.of_words(some)))
            ),
        ];
        self.lines.extend(lines);
    }

    fn v6(&mut self) -> bool {
        match self.family {
            "ip" => false,
            "ip6" => true,
            // Sets of a table that sees both are of one.
            _ => self.name.ends_with('1'),
        }
    }

    /// A rule of a chain that may jump to those numbered `from` and above.
    fn rule(&mut self, from: u64, nat: bool) -> String {
        let mut text = String::new();
        for _ in 0..self.chance.below(3) {
            text += &self.matches();
            text.push(' ');
        }
        text + &if nat { self.translation() } else { self.statement(from) }
    }

    fn matches(&mut self) -> String {
        let v6 = self.v6();
        let (some, nets, ip) = if v6 { (SOME6, NETS6, "ip6") } else { (SOME4, NETS4, "ip") };
        let c = &mut *self.chance;
        let not = if c.one_in(5) { "!= " } else { "" };
        let side = c.of_words("saddr daddr daddr");
        let end = c.of_words("sport dport dport");
        let proto = c.of_words("tcp udp th");
        match c.below(34) {
            0..4 => format!("{ip} {side} {not}{}", c.of_words(some)),
            4..6 => format!("{ip} {side} {not}{}", c.of_words(nets)),
            6 => format!("{ip} {side} {not}@{}", c.of_words("hosts nets")),
            7 => format!("{ip} {side} {not}{{ {} }}", list(c, 3, |c| c.of_words(some).to_owned())),
            8 => format!("{proto} {end} {not}{}", c.of_words(PORTS)),
            9 => format!("{proto} {end} {not}{}", c.of_words(RANGES)),
            10 => format!("{proto} {end} {not}@ports"),
            11 => format!("{proto} {end} {} {}", c.of_words("< > <= >="), c.of_words("80 1024 30000")),
            12 => format!("{ip} {side} . {proto} {end} {not}@both"),
            13 => format!("{ip} {side} . meta l4proto . th {end} {not}@wide"),
            14 => format!("meta l4proto {not}{}", c.of_words("tcp udp icmp ipv6-icmp")),
            15 => format!("{} {not}{}", c.of_words("iifname oifname"), c.of_words("va vb lo v* nosuch")),
            16 => format!("{} {not}{}", c.of_words("iif oif"), c.of_words(DEVS)),
            17 => format!("{} {not}@links", c.of_words("iifname oifname")),
            18 => format!("meta mark {not}{}", c.of_words("0 1 2 0x10")),
            19 => format!("meta mark & {} {} {}", c.of_words("1 3 0xf0"), c.of_words("== != >"), c.of_words("0 1 2")),
            20 => format!("ct state {not}{}", c.of_words("new established invalid untracked new,established related,established")),
            21 => format!("ct mark {not}{}", c.of_words("0 1 2")),
            22 => format!("ct direction {}", c.of_words("original reply")),
            23 => format!("ct status {not}{}", c.of_words("snat dnat")),
            24 => format!("ct original {ip} {side} {not}{}", c.of_words(some)),
            25 => format!("fib {} type {not}{}", c.of_words("daddr saddr"), c.of_words("local unicast broadcast multicast")),
            26 => format!("fib {} oif {}", c.of_words("daddr saddr saddr"), c.of_words("exists missing va vb")),
            27 => format!("fib saddr . iif oif {}", c.of_words("missing exists")),
            28 => format!("fib daddr . iif type {not}local"),
            29 if v6 => format!("ip6 hoplimit {} {}", c.of_words("< == >"), c.of_words("63 64")),
            29 => format!("ip ttl {} {}", c.of_words("< == >"), c.of_words("63 64")),
            30 if v6 => format!("icmpv6 type {}", c.of_words("echo-request echo-reply nd-neighbor-solicit")),
            30 => format!("icmp type {}", c.of_words("echo-request echo-reply destination-unreachable")),
            31 => format!("tcp flags {}", c.of_words("syn&(syn|ack)==syn syn&(syn|ack)==(syn|ack) rst&rst==rst").replace('&', " & ").replace("==", " == ")),
            32 => c.of_words("meta_nfproto_ipv4 meta_nfproto_ipv6 meta_protocol_ip meta_pkttype_host ip_dscp_0 ip_version_4 meta_iifgroup_0 ct_l3proto_ipv4 meta_iiftype_1 ip_protocol_tcp").replace('_', " "),
            _ => c.of_words("meta_skuid_0 meta_cpu_0 numgen_random_mod_2_0 limit_rate_100/second limit_rate_over_1/minute tcp_option_maxseg_exists ip_id_0 tcp_window_5 meta_length_40-60 rt_ip_nexthop_10.2.0.2").replace('_', " "),
        }
    }

    fn statement(&mut self, from: u64) -> String {
        let v6 = self.v6();
        let c = &mut *self.chance;
        let to = (from < 3).then(|| format!("r{}", from + c.below(3 - from)));
        match (c.below(26), to) {
            (0..6, _) => "accept".to_owned(),
            (6..9, _) => "drop".to_owned(),
            (9, _) => c.of_words("reject reject reject_with_tcp_reset").replace('_', " "),
            (10..13, Some(to)) => format!("jump {to}"),
            (13..15, Some(to)) => format!("goto {to}"),
            (15, _) => "return".to_owned(),
            (16, _) => "counter continue".to_owned(),
            (17..19, _) => format!(
                "meta mark set {}",
                c.of_words("1 2 0x10 mark_or_2 mark_and_1 mark_xor_3")
                    .replace("mark_", "meta mark ")
                    .replace('_', " ")
            ),
            (19, _) => format!("ct mark set {}", c.of_words("1 2 meta_mark").replace('_', " ")),
            (20, _) => "meta mark set ct mark".to_owned(),
            (21, _) => format!("{} dport vmap @does", c.of_words("tcp udp th")),
            (22, Some(to)) => {
                format!("ct state vmap {{ new : jump {to}, established : accept, invalid : drop }}")
            }
            (23, _) if v6 => {
                format!("meta mark set ip6 {} map @marks", c.of_words("saddr daddr"))
            }
            (23, _) => {
                format!("meta mark set ip {} map @marks", c.of_words("saddr daddr"))
            }
            (24, _) => c.of_words("notrack counter").to_owned(),
            (25, Some(to)) => {
                format!("iifname vmap {{ \"va\" : goto {to}, \"vb\" : drop, * : continue }}")
            }
            _ => "counter accept".to_owned(),
        }
    }

    fn translation(&mut self) -> String {
        let v6 = self.v6();
        let some = if v6 {
            "fd02::2 fd02::3 fd01::1 fd02::1 fd01::2"
        } else {
            "10.2.0.2 10.2.0.3 10.1.0.1 10.2.0.1 10.1.0.2"
        };
        let ip = match (self.family, v6) {
            ("inet", true) => " ip6",
            ("inet", false) => " ip",
            _ => "",
        };
        let c = &mut *self.chance;
        let at = |c: &mut Chance| {
            let host = c.of_words(some);
            let host = if v6 { format!("[{host}]") } else { host.to_owned() };
            let port = c.maybe(2, |c| format!(":{}", c.of_words("80 8080 9000 5000-5010")));
            format!("{host}{port}")
        };
        match c.below(14) {
            0..4 => format!("meta l4proto {} dnat{ip} to {}", c.of_words("tcp udp"), at(c)),
            4 => format!("dnat{ip} to {}", c.of_words(some)),
            5..7 => format!("snat{ip} to {}", c.of_words(some)),
            7..9 => "masquerade".to_owned(),
            9 => format!("meta l4proto tcp redirect to :{}", c.of_words("80 8080 9000")),
            10 => format!("dnat{ip} to tcp dport map @to"),
            11 => "redirect".to_owned(),
            12 => c.of_words("accept drop return").to_owned(),
            _ => c.of_words("masquerade_random masquerade_fully-random counter").replace('_', " "),
        }
    }
}

fn list(chance: &mut Chance, most: u64, mut draw: impl FnMut(&mut Chance) -> String) -> String {
    let all: Vec<String> = (0..1 + chance.below(most)).map(|_| draw(chance)).collect();
    let mut seen: Vec<String> = Vec::new();
    for one in all {
        // A map has one value for a key.
        let key = |text: &str| text.split(" : ").next().unwrap_or_default().to_owned();
        if !seen.iter().any(|s| key(s) == key(&one)) {
            seen.push(one);
        }
    }
    seen.join(", ")
}
