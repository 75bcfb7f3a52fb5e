//! The ranges that host-local gives addresses from, and which one comes next.
//!
//!     {"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.10"}   .10 to .254 without the gateway, .1
//!
//! A set is one list of ranges: an attachment gets one address of each set. Round robin, so that an
//! address that was just given back rests.  Never here: files, which addresses are taken.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::fault::{Code, Fault};
use crate::json::{Json, Object, wrong};

/// A part of a subnet, its ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) subnet: IpNet,
    pub(crate) gateway: IpAddr,
    first: IpAddr,
    last: IpAddr,
}

/// Ranges of one family, none of which overlap; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<Range>);

impl Range {
    fn read(object: &Object) -> Result<Self, Fault> {
        let text = object.text("subnet")?;
        let subnet: IpNet = text.parse().map_err(|_| odd(format!("{text:?} is no subnet")))?;
        if subnet.prefix_len() + 2 > subnet.max_prefix_len() {
            return Err(odd(format!("network {subnet} is too small to allocate from")));
        }
        if subnet.addr() != subnet.network() {
            let meant = subnet.trunc();
            return Err(odd(format!("network {subnet} has host bits set; {meant} has none")));
        }
        let inside = |name: &str, or: u128| match ip(object, name)? {
            None => Ok(address(subnet.addr().is_ipv4(), or)),
            Some(ip) if subnet.contains(&ip) => Ok(ip),
            Some(ip) => Err(odd(format!("{name} {ip} is not in network {subnet}"))),
        };
        let (low, high) = (number(subnet.network()), number(subnet.broadcast()));
        let broadcast = u128::from(subnet.addr().is_ipv4());
        let first = inside("rangeStart", low.saturating_add(1))?;
        let last = inside("rangeEnd", high.saturating_sub(broadcast))?;
        if number(first) > number(last) {
            return Err(odd(format!("rangeStart {first} comes after rangeEnd {last}")));
        }
        // Upstream takes a gateway of another subnet, and of any family, as it is.
        let gateway = ip(object, "gateway")?;
        let gateway = gateway.unwrap_or(address(subnet.addr().is_ipv4(), low.saturating_add(1)));
        Ok(Self { subnet, gateway, first, last })
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let of_family = ip.is_ipv4() == self.subnet.addr().is_ipv4();
        of_family && (number(self.first)..=number(self.last)).contains(&number(ip))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// The address as an interface bears it.
    pub(crate) fn on_link(&self, ip: IpAddr) -> Option<IpNet> {
        IpNet::new(ip, self.subnet.prefix_len()).ok()
    }
}

impl RangeSet {
    fn read(value: &Json) -> Result<Self, Fault> {
        let Json::List(list) = value else {
            return Err(wrong("ranges", "a list of lists", value));
        };
        let mut set = Self(Vec::new());
        for value in list {
            let Json::Object(object) = value else {
                return Err(wrong("ranges", "a list of lists of objects", value));
            };
            set.add(Range::read(object)?)?;
        }
        if set.0.is_empty() {
            return Err(odd("a list of ranges is empty".to_owned()));
        }
        Ok(set)
    }

    fn add(&mut self, range: Range) -> Result<(), Fault> {
        for other in &self.0 {
            if other.subnet.addr().is_ipv4() != range.subnet.addr().is_ipv4() {
                return Err(odd("one list of ranges is of IPv4 and of IPv6".to_owned()));
            }
            if other.overlaps(&range) {
                return Err(odd(format!("{self} overlaps with {range}")));
            }
        }
        self.0.push(range);
        Ok(())
    }

    /// The range that holds `ip`.
    pub(crate) fn range_of(&self, ip: IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(ip))
    }

    pub(crate) fn is_v4(&self) -> bool {
        self.0.first().is_some_and(|range| range.subnet.addr().is_ipv4())
    }

    /// The next address after `after` that is not `taken`; none when all are. `taken` is asked of
    /// each candidate once, in order.
    pub(crate) fn next<E>(
        &self,
        after: Option<IpAddr>,
        mut taken: impl FnMut(IpAddr) -> Result<bool, E>,
    ) -> Result<Option<IpAddr>, E> {
        let v4 = self.is_v4();
        let at = after.and_then(|ip| self.0.iter().position(|range| range.contains(ip)));
        let (before, rest) = self.0.split_at(at.unwrap_or(0));
        let whole =
            |range: &Range| (number(range.first), number(range.last), number(range.gateway));
        let mut spans: Vec<(u128, u128, u128)> = rest.iter().chain(before).map(whole).collect();
        // From the one after `after` on, and its own range's beginning at the end.
        if let (Some(after), Some(first)) = (after.filter(|_| at.is_some()), spans.first_mut()) {
            let whole = *first;
            *first = match number(after).checked_add(1) {
                Some(next) => (next, whole.1, whole.2),
                None => (1, 0, 0),
            };
            spans.push((whole.0, number(after), whole.2));
        }
        for (low, high, gateway) in spans {
            for n in (low..=high).filter(|n| *n != gateway) {
                if !taken(address(v4, n))? {
                    return Ok(Some(address(v4, n)));
                }
            }
        }
        Ok(None)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl std::fmt::Display for RangeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(","))
    }
}

/// The sets of a configuration: those of the runtime first, then the one of the old form, then the
/// list.
pub(crate) fn sets(ipam: &Object, of_runtime: Vec<Json>) -> Result<Vec<RangeSet>, Fault> {
    let mut all: Vec<RangeSet> = of_runtime.iter().map(RangeSet::read).collect::<Result<_, _>>()?;
    if ipam.field("subnet").is_some() {
        all.push(RangeSet(vec![Range::read(ipam)?]));
    }
    for value in &ipam.list("ranges")? {
        all.push(RangeSet::read(value)?);
    }
    if all.is_empty() {
        return Err(odd("no IP ranges are given: ipam needs subnet or ranges".to_owned()));
    }
    for (index, set) in all.iter().enumerate() {
        let others = all.iter().take(index);
        let clash = |other: &&RangeSet| other.0.iter().any(|a| set.0.iter().any(|b| a.overlaps(b)));
        if let Some(other) = others.into_iter().find(clash) {
            return Err(odd(format!("range set {set} overlaps with {other}")));
        }
    }
    Ok(all)
}

/// The address `name` of `object`.
pub(crate) fn ip(object: &Object, name: &str) -> Result<Option<IpAddr>, Fault> {
    let text = object.text(name)?;
    match text.parse() {
        Ok(ip) => Ok(Some(ip)),
        Err(_) if text.is_empty() => Ok(None),
        Err(_) => Err(odd(format!("{name} {text:?} is no address"))),
    }
}

fn odd(what: String) -> Fault {
    Fault::new(Code::Config, format!("ipam: {what}"))
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn address(v4: bool, n: u128) -> IpAddr {
    match u32::try_from(n) {
        Ok(n) if v4 => IpAddr::V4(n.into()),
        Ok(_) | Err(_) => IpAddr::V6(n.into()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn read(text: &str) -> Result<Vec<RangeSet>, Fault> {
        let Json::Object(ipam) = Json::read(text.as_bytes()).unwrap() else { unreachable!() };
        sets(&ipam, Vec::new())
    }

    fn given(text: &str, after: Option<&str>, taken: &[&str]) -> Option<String> {
        let all = read(text).unwrap();
        let after = after.map(|ip| ip.parse().unwrap());
        let is_taken = |ip: IpAddr| Ok::<_, Infallible>(taken.contains(&ip.to_string().as_str()));
        all.first().unwrap().next(after, is_taken).unwrap().map(|ip| ip.to_string())
    }

    #[test]
    fn addresses_go_round_without_gateway_and_broadcast() {
        let net = r#"{"subnet": "10.9.0.0/30"}"#;
        assert_eq!(given(net, None, &[]).unwrap(), "10.9.0.2");
        assert_eq!(given(net, Some("10.9.0.2"), &[]).unwrap(), "10.9.0.2");
        assert_eq!(given(net, None, &["10.9.0.2"]), None);
        let part = r#"{"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.5", "rangeEnd": "10.9.0.8",
            "gateway": "10.9.0.6"}"#;
        assert_eq!(given(part, Some("10.9.0.5"), &[]).unwrap(), "10.9.0.7");
        assert_eq!(given(part, Some("10.9.0.8"), &[]).unwrap(), "10.9.0.5");
        assert_eq!(given(part, Some("10.9.0.99"), &["10.9.0.5"]).unwrap(), "10.9.0.7");
        let v6 = r#"{"subnet": "fd00::/64"}"#;
        assert_eq!(given(v6, None, &[]).unwrap(), "fd00::2");
    }

    #[test]
    fn a_set_goes_through_all_its_ranges() {
        let two = r#"{"ranges": [[
            {"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.5", "rangeEnd": "10.9.0.6"},
            {"subnet": "10.9.1.0/24", "rangeStart": "10.9.1.5", "rangeEnd": "10.9.1.6"}]]}"#;
        assert_eq!(given(two, Some("10.9.0.6"), &[]).unwrap(), "10.9.1.5");
        assert_eq!(given(two, Some("10.9.1.6"), &[]).unwrap(), "10.9.0.5");
        let all = ["10.9.0.5", "10.9.1.5", "10.9.1.6"];
        assert_eq!(given(two, Some("10.9.0.6"), &all).unwrap(), "10.9.0.6");
        assert_eq!(given(two, Some("10.9.1.5"), &[&all[..], &["10.9.0.6"]].concat()), None);
    }

    #[test]
    fn what_cannot_be_a_range_is_refused_by_name() {
        let said = |text: &str| read(text).unwrap_err().msg;
        assert_eq!(said("{}"), "ipam: no IP ranges are given: ipam needs subnet or ranges");
        let small = said(r#"{"subnet": "10.9.0.0/31"}"#);
        assert_eq!(small, "ipam: network 10.9.0.0/31 is too small to allocate from");
        let bits = said(r#"{"subnet": "10.9.0.1/24"}"#);
        assert_eq!(bits, "ipam: network 10.9.0.1/24 has host bits set; 10.9.0.0/24 has none");
        let outside = said(r#"{"subnet": "10.9.0.0/24", "rangeStart": "10.8.0.1"}"#);
        assert_eq!(outside, "ipam: rangeStart 10.8.0.1 is not in network 10.9.0.0/24");
        for bad in [
            r#"{"subnet": "x"}"#,
            r#"{"ranges": [[]]}"#,
            r#"{"ranges": [{"subnet": "10.9.0.0/24"}]}"#,
            r#"{"ranges": [["10.9.0.0/24"]]}"#,
            r#"{"subnet": "10.9.0.0/24", "ranges": [[{"subnet": "10.9.0.0/16"}]]}"#,
            r#"{"ranges": [[{"subnet": "10.9.0.0/24"}, {"subnet": "fd00::/64"}]]}"#,
            r#"{"ranges": [[{"subnet": "10.9.0.0/24"}, {"subnet": "10.9.0.0/25"}]]}"#,
            r#"{"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.9", "rangeEnd": "10.9.0.8"}"#,
            r#"{"subnet": "10.9.0.0/24", "gateway": "router"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_whole_of_ipv6_does_not_overflow() {
        assert_eq!(given(r#"{"subnet": "::/0"}"#, None, &[]).unwrap(), "::2");
        let end = Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(given(r#"{"subnet": "::/0"}"#, end, &[]).unwrap(), "::2");
    }
}
