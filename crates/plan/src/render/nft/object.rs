//! Tables, chains, sets and maps: what stands within their braces.

use ropewalk_facts::nft::{Base, Chain, Family, RAW, Set, SetFlags, Table};

pub(super) fn table(x: &Table) -> String {
    let flags = if x.dormant { " { flags dormant; }" } else { "" };
    format!("add table {}{flags}", x.key)
}

pub(super) fn chain(x: &Chain) -> String {
    let base = x.base.as_ref().map(|base| base_words(x.key.table.family, base));
    format!("add chain {}{}", x.key, base.unwrap_or_default())
}

fn base_words(family: Family, base: &Base) -> String {
    let devs: Vec<_> = base.devs.iter().map(|dev| format!("\"{dev}\"")).collect();
    let devs = match devs.as_slice() {
        [] => String::new(),
        [dev] => format!(" device {dev}"),
        devs => format!(" devices = {{ {} }}", devs.join(", ")),
    };
    let hook = hook(family, base.hook).map_or_else(|| base.hook.to_string(), str::to_owned);
    let policy = if base.drop { "drop" } else { "accept" };
    let (kind, priority) = (&base.kind, base.priority);
    format!(" {{ type {kind} hook {hook}{devs} priority {priority}; policy {policy}; }}")
}

fn hook(family: Family, number: u32) -> Option<&'static str> {
    let names: &[&str] = match family {
        Family::Inet
        | Family::Ip
        | Family::Ip6
        | Family::Bridge
        | Family::Iptables
        | Family::Ip6tables => {
            &["prerouting", "input", "forward", "output", "postrouting", "ingress"]
        }
        Family::Arp | Family::Arptables => &["input", "output", "forward"],
        Family::Netdev => &["ingress", "egress"],
    };
    names.get(usize::try_from(number).ok()?).copied()
}

/// `set` or `map`.
pub(super) fn noun(x: &Set) -> &'static str {
    if x.value_types.is_empty() { "set" } else { "map" }
}

pub(super) fn set(x: &Set) -> String {
    let types = |types: &[String]| types.join(" . ");
    let value = if x.value_types.is_empty() {
        String::new()
    } else {
        format!(" : {}", types(&x.value_types))
    };
    let flags = [
        (x.flags.constant, "constant"),
        (x.flags.interval, "interval"),
        (x.flags.dynamic, "dynamic"),
    ];
    let flags: Vec<_> = flags.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
    let flags =
        if flags.is_empty() { String::new() } else { format!(" flags {};", flags.join(",")) };
    let room = SetFlags::ROOM;
    let size = if x.flags.dynamic { format!(" size {room};") } else { String::new() };
    let timeout = match x.timeout_ms {
        0 => String::new(),
        ms if ms % 1000 == 0 => format!(" timeout {}s;", ms / 1000),
        ms => format!(" timeout {ms}ms;"),
    };
    let (word, key) = if x.key_types.iter().any(|name| name == RAW.name) {
        ("typeof", x.key_types.iter().map(|name| example(name)).collect::<Vec<_>>().join(" . "))
    } else {
        ("type", types(&x.key_types))
    };
    format!("add {} {} {{ {word} {key}{value};{flags}{size}{timeout} }}", noun(x), x.key)
}

/// An expression of a type, for a key one field of which has no type with a name.
fn example(ty: &str) -> &str {
    match ty {
        "ifname" => "iifname",
        "ether_addr" => "ether saddr",
        _ => ty,
    }
}
