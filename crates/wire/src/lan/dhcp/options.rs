//! What a server's options mean (RFC 2132, RFC 3442), each read within its bounds.
//!
//! An option may come in several pieces (RFC 3396): what is a list is put together first. One that
//! cannot be read is as one that is not there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use smoltcp::wire::DhcpPacket;

use crate::lan::bytes::array_at;

const MASK: u8 = 1;
const ROUTER: u8 = 3;
const DNS: u8 = 6;
pub(super) const HOST_NAME: u8 = 12;
const MTU: u8 = 26;
const SECONDS: u8 = 51;
const KIND: u8 = 53;
const SERVER_ID: u8 = 54;
const RENEW: u8 = 58;
const REBIND: u8 = 59;
pub(super) const IDENTITY: u8 = 61;
const ROUTES: u8 = 121;

/// What a client asks for; routes before the router, whose place they take (RFC 3442).
pub(super) const WANTED: &[u8] =
    &[MASK, ROUTES, ROUTER, DNS, MTU, SECONDS, SERVER_ID, RENEW, REBIND];

/// The options of a message, by number.
pub(super) struct Options(BTreeMap<u8, Vec<u8>>);

/// Ways to elsewhere, by a router or on the link itself.
pub(super) type Routes = Vec<(Ipv4Net, Option<Ipv4Addr>)>;

impl Options {
    pub(super) fn of(message: &DhcpPacket<&[u8]>) -> Self {
        let mut all: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for option in message.options() {
            all.entry(option.kind).or_default().extend(option.data);
        }
        Self(all)
    }

    fn bytes(&self, kind: u8) -> &[u8] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// An option of exactly so many bytes.
    fn exact<const N: usize>(&self, kind: u8) -> Option<[u8; N]> {
        self.bytes(kind).try_into().ok()
    }

    /// The type of the message.
    pub(super) fn kind(&self) -> Option<u8> {
        self.exact::<1>(KIND).map(|[kind]| kind)
    }

    pub(super) fn server(&self) -> Option<Ipv4Addr> {
        self.exact(SERVER_ID).map(Ipv4Addr::from)
    }

    /// `ip` in its subnet. Without a mask, or with one that has holes, that of its class (RFC 1122
    /// §3.3.6).
    pub(super) fn net(&self, ip: Ipv4Addr) -> Option<Ipv4Net> {
        let [first, ..] = ip.octets();
        let class = match first {
            0..128 => 8,
            128..192 => 16,
            192.. => 24,
        };
        let mask = self.exact(MASK).map(u32::from_be_bytes).filter(|mask| *mask != 0);
        let whole = mask.filter(|mask| mask.leading_ones() + mask.trailing_zeros() == 32);
        let prefix = whole.map_or(Some(class), |mask| u8::try_from(mask.leading_ones()).ok())?;
        Ipv4Net::new(ip, prefix).ok()
    }

    /// The router and the other ways. Where there are classless routes, the router is among them.
    pub(super) fn ways(&self) -> (Option<Ipv4Addr>, Routes) {
        let mut routes = routes(self.bytes(ROUTES)).unwrap_or_default();
        if routes.is_empty() {
            return (addresses(self.bytes(ROUTER)).next(), Routes::new());
        }
        let mut router = None;
        routes.retain(|(to, via)| {
            if to.prefix_len() == 0 {
                router = router.or(*via);
            }
            to.prefix_len() != 0
        });
        (router, routes)
    }

    pub(super) fn dns(&self) -> Vec<Ipv4Addr> {
        addresses(self.bytes(DNS)).collect()
    }

    /// Not what is less than every link of IPv4 has in practice.
    pub(super) fn mtu(&self) -> Option<u16> {
        self.exact(MTU).map(u16::from_be_bytes).filter(|mtu| *mtu >= 576)
    }

    pub(super) fn seconds(&self) -> Option<u32> {
        self.exact(SECONDS).map(u32::from_be_bytes)
    }

    pub(super) fn renew_after(&self) -> Option<u32> {
        self.exact(RENEW).map(u32::from_be_bytes)
    }

    pub(super) fn rebind_after(&self) -> Option<u32> {
        self.exact(REBIND).map(u32::from_be_bytes)
    }
}

/// True for an address that a host can have.
pub(super) fn is_host(ip: &Ipv4Addr) -> bool {
    let [first, ..] = ip.octets();
    first != 0 && first != 127 && first < 224
}

/// Whole addresses, those that hosts can have.
fn addresses(bytes: &[u8]) -> impl Iterator<Item = Ipv4Addr> {
    let (whole, _) = bytes.as_chunks::<4>();
    whole.iter().map(|octets| Ipv4Addr::from(*octets)).filter(is_host)
}

/// Width, as many bytes of the destination as it takes, router; and the next.
fn routes(mut bytes: &[u8]) -> Option<Routes> {
    let mut all = Routes::new();
    while let Some((width, rest)) = bytes.split_first() {
        let significant = usize::from(width.div_ceil(8));
        let mut to = [0; 4];
        to.get_mut(..significant)?.copy_from_slice(rest.get(..significant)?);
        let via = Ipv4Addr::from(array_at::<4>(rest, significant)?);
        let to = Ipv4Net::new(Ipv4Addr::from(to), *width).ok()?.trunc();
        all.push((to, (!via.is_unspecified()).then_some(via)));
        bytes = rest.get(significant + 4..)?;
    }
    Some(all)
}
