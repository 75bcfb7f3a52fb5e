//! Values by their types.
//!
//!     inet_service 0050 = 80 · ipv4_addr 0a090000 to 0a0900ff = 10.9.0.0/24

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ropewalk_facts::nft::{ByteOrder, Bytes, DataType, Set, Value, Verdict, VerdictCode};

/// Words for numbers of some types.
pub(super) type Names = &'static [(u64, &'static str)];

const PROTO: Names = &[(1, "icmp"), (6, "tcp"), (17, "udp"), (58, "ipv6-icmp"), (132, "sctp")];
const NF_PROTO: Names = &[(2, "ipv4"), (10, "ipv6")];
const ADDR_TYPE: Names = &[
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];
const ETHER_TYPE: Names = &[(0x0800, "ip"), (0x0806, "arp"), (0x86dd, "ip6")];
const ICMP: Names = &[(0, "echo-reply"), (5, "redirect"), (8, "echo-request")];
const ICMP6: Names = &[
    (128, "echo-request"),
    (129, "echo-reply"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (143, "mld2-listener-report"),
];
const PKT_TYPE: Names = &[(0, "host"), (1, "broadcast"), (2, "multicast"), (3, "other")];
/// `lo` has the first index in every namespace.
const INDEX: Names = &[(1, "\"lo\"")];
/// Bits (`IPS_*`, `NF_CT_STATE_*`).
const CT_STATE: Names =
    &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];
const CT_STATUS: Names = &[
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (512, "dying"),
];

const TCP_FLAG: Names = &[(1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg")];

/// The bits of a type that is a set of flags.
pub(super) fn bits(ty: &str) -> Option<Names> {
    match ty {
        "ct_state" => Some(CT_STATE),
        "ct_status" => Some(CT_STATUS),
        "tcp_flag" => Some(TCP_FLAG),
        _ => None,
    }
}

/// The names of all bits in `bytes`; none when one has no name.
pub(super) fn flags(ty: &str, bytes: &[u8]) -> Option<String> {
    let number = number(ty, bytes)?;
    let named: Vec<_> = bits(ty)?.iter().filter(|(bit, _)| number & bit != 0).collect();
    let sum: u64 = named.iter().map(|(bit, _)| bit).sum();
    let words: Vec<_> = named.iter().map(|(_, name)| *name).collect();
    (sum == number && sum != 0).then(|| words.join(","))
}

/// One value.
pub(super) fn one(ty: &str, bytes: &[u8]) -> String {
    match ty {
        "ipv4_addr" | "ipv6_addr" => {
            addr(bytes).map_or_else(|| hex(bytes), |addr| addr.to_string())
        }
        "ifname" => name(bytes),
        "ether_addr" => {
            let pairs: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            pairs.join(":")
        }
        "classid" => number(ty, bytes)
            .map_or_else(|| hex(bytes), |n| format!("{:x}:{:x}", n >> 16, n & 0xffff)),
        "mark" => number(ty, bytes).map_or_else(|| hex(bytes), |n| format!("{n:#010x}")),
        _ => {
            let word = flags(ty, bytes).or_else(|| {
                let number = number(ty, bytes)?;
                let word = names(ty).iter().find(|(n, _)| *n == number);
                Some(word.map_or_else(|| number.to_string(), |(_, word)| (*word).to_owned()))
            });
            word.unwrap_or_else(|| hex(bytes))
        }
    }
}

fn names(ty: &str) -> Names {
    match ty {
        "inet_proto" => PROTO,
        "nf_proto" => NF_PROTO,
        "fib_addrtype" => ADDR_TYPE,
        "pkt_type" => PKT_TYPE,
        "ether_type" => ETHER_TYPE,
        "icmp_type" => ICMP,
        "icmpv6_type" => ICMP6,
        "iface_index" => INDEX,
        _ => &[],
    }
}

/// All values from one to another: one, a prefix, or a range.
pub(super) fn range(ty: &str, from: &[u8], to: &[u8]) -> String {
    if from == to {
        return one(ty, from);
    }
    match prefix(from, to).filter(|_| ty.starts_with("ipv")) {
        Some(len) => format!("{}/{len}", one(ty, from)),
        // A range between names would read as one name.
        None if ty.starts_with("icmp") => range("integer", from, to),
        None => format!("{}-{}", one(ty, from), one(ty, to)),
    }
}

/// The length of the prefix that begins at `from` and ends at `to`.
pub(super) fn prefix(from: &[u8], to: &[u8]) -> Option<usize> {
    let bit = |bytes: &[u8], at: usize| bytes.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1);
    let len = from.len() * 8;
    let same = (0..len).take_while(|at| bit(from, *at) == bit(to, *at)).count();
    let mut rest = same..len;
    rest.all(|at| (bit(from, at), bit(to, at)) == (Some(0), Some(1))).then_some(same)
}

fn addr(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| IpAddr::V4(Ipv4Addr::from(b)));
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|b| IpAddr::V6(Ipv6Addr::from(b)))).ok()
}

/// The name of a link, or with no final zero what it begins with.
fn name(bytes: &[u8]) -> String {
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    let any = if text.len() == bytes.len() && bytes.len() < 16 { "*" } else { "" };
    format!("\"{}{any}\"", String::from_utf8_lossy(text))
}

/// A number in the byte order of its type, of at most 64 bits.
pub(super) fn number(ty: &str, bytes: &[u8]) -> Option<u64> {
    let is_host = DataType::named(ty).is_some_and(|t| t.order == ByteOrder::Host);
    let swapped = is_host && cfg!(target_endian = "little");
    let mut all = [0; 8];
    let low = all.get_mut(8usize.checked_sub(bytes.len())?..)?;
    low.copy_from_slice(bytes);
    if swapped {
        low.reverse();
    }
    Some(u64::from_be_bytes(all))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The fields of a key or value, by their types, without padding.
pub(super) fn fields<'a>(types: &'a [String], bytes: &'a [u8]) -> Vec<(&'a str, &'a [u8])> {
    let mut rest = bytes;
    let mut all = vec![];
    for ty in types {
        let known = DataType::named(ty).and_then(|t| usize::try_from(t.len).ok());
        let len = known.filter(|len| *len > 0 && *len <= rest.len()).unwrap_or(rest.len());
        all.push((ty.as_str(), rest.get(..len).unwrap_or_default()));
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

/// Fields from one key to another, each a value, a prefix or a range.
pub(super) fn key(types: &[String], from: &Bytes, to: &Bytes) -> String {
    let pairs = fields(types, &from.0).into_iter().zip(fields(types, &to.0));
    let texts: Vec<_> = pairs.map(|((ty, from), (_, to))| range(ty, from, to)).collect();
    texts.join(" . ")
}

/// What a map gives.
pub(super) fn value(set: &Set, value: &Value) -> String {
    match value {
        Value::Data(data) => key(&set.value_types, data, data),
        Value::Verdict(v) => verdict(v).unwrap_or_else(|| "continue".to_owned()),
    }
}

/// A decision; none for one that has no word.
pub(super) fn verdict(verdict: &Verdict) -> Option<String> {
    let word = match verdict.code {
        VerdictCode::Drop => "drop",
        VerdictCode::Accept => "accept",
        VerdictCode::Continue => "continue",
        VerdictCode::Return => "return",
        VerdictCode::Jump => "jump",
        VerdictCode::Goto => "goto",
        VerdictCode::Break | VerdictCode::Queue | VerdictCode::Other(_) => return None,
    };
    let chain = verdict.chain.iter().map(|chain| format!(" {chain}"));
    Some(std::iter::once(word.to_owned()).chain(chain).collect())
}
