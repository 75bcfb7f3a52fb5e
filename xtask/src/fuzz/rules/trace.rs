//! What the kernel tells of a packet that is traced (`meta nftrace`): every chain, and who decided there.
//!
//!     nft monitor trace
//!
//! The first message of a chain bears the headers of the packet; those that follow bear its number.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use ropewalk_wire::nl::{attrs, messages};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with,
};

use super::packet;
use crate::Fault;

/// `NFNL_SUBSYS_NFTABLES` and `NFT_MSG_TRACE`.
const TRACE: u16 = 10 << 8 | 17;
/// `NFNLGRP_NFTRACE`, as a bit.
const GROUP: u32 = 1 << 8;
/// `NFPROTO_NETDEV`
const NETDEV: u8 = 5;
const ROOM: usize = 64 << 20;

/// What one base chain made of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// `family/table/chain`.
    pub(super) chain: String,
    /// The packet before.
    pub(super) tuple: String,
    /// `accept` or `drop`.
    pub(super) verdict: String,
    /// The handle of the rule that decided; none for the policy.
    pub(super) rule: Option<u64>,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = self.rule.map_or_else(|| "policy".to_owned(), |rule| format!("rule {rule}"));
        write!(f, "{}: {} {} by {who}", self.tuple, self.chain, self.verdict)
    }
}

/// The number of a packet, and whether it is the answer to it.
pub(super) type Which = (u16, bool);

/// Listens to one namespace.
pub(super) struct Ear {
    fd: OwnedFd,
    /// By the kernel's number of a packet, which one of ours that is.
    open: BTreeMap<u32, Which>,
}

impl Ear {
    /// Listens in the namespace of this thread.
    pub(super) fn open() -> Result<Self, Fault> {
        let family = Some(netlink::NETFILTER);
        let kind = SocketType::RAW;
        let fd = socket_with(AddressFamily::NETLINK, kind, SocketFlags::CLOEXEC, family)?;
        set_socket_recv_buffer_size_force(&fd, ROOM)?;
        bind(&fd, &SocketAddrNetlink::new(0, GROUP))?;
        Ok(Self { fd, open: BTreeMap::new() })
    }

    /// To be waited for.
    pub(super) fn fd(&self) -> impl AsFd + '_ {
        &self.fd
    }

    /// What was told since; true when it was anything.
    pub(super) fn drain(&mut self, heard: &mut BTreeMap<Which, Vec<Step>>) -> Result<bool, Fault> {
        let mut buffer = vec![0; 64 << 10];
        let mut any = false;
        loop {
            let (_, len) = match recv(&self.fd, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok(got) => got,
                Err(rustix::io::Errno::AGAIN) => return Ok(any),
                Err(e) => return Err(e.into()),
            };
            any = true;
            for message in messages(buffer.get(..len).unwrap_or_default()) {
                let message = message?;
                if message.kind == TRACE {
                    self.told(message.body, heard);
                }
            }
        }
    }

    fn told(&mut self, body: &[u8], heard: &mut BTreeMap<Which, Vec<Step>>) -> Option<()> {
        let list = attrs(body.get(4..)?);
        let attr = |kind| list.clone().first(kind);
        let id = attr(6)?.be32()?;
        if let Some(network) = attr(8) {
            let transport = attr(9).map(|a| a.data).unwrap_or_default();
            let Some((mark, back, packet)) = packet::read(network.data, transport) else {
                self.open.remove(&id);
                return None;
            };
            // A packet is not marked when it comes in to the family netdev, but when it goes out.
            if *body.first()? == NETDEV {
                self.open.remove(&id);
                return None;
            }
            self.open.insert(id, (mark, back));
            let family = match body.first()? {
                1 => "inet",
                2 => "ip",
                3 => "arp",
                7 => "bridge",
                _ => "ip6",
            };
            let chain = format!("{family}/{}/{}", attr(1)?.text()?, attr(2)?.text()?);
            let tuple = tuple(&packet);
            let step = Step { chain, tuple, verdict: String::new(), rule: None };
            heard.entry((mark, back)).or_default().push(step);
        }
        let step = heard.get_mut(self.open.get(&id)?)?.last_mut()?;
        let verdict = |code: u32| if code == 0 { "drop".to_owned() } else { "accept".to_owned() };
        match attr(4)?.be32()? {
            1 => (step.verdict, step.rule) = (verdict(attr(16)?.be32()?), None),
            3 => {
                let code = attr(5)?.attrs().first(1)?.be32()?;
                if code <= 1 {
                    (step.verdict, step.rule) = (verdict(code), attr(3).and_then(|a| a.be64()));
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// Addresses and ports in a line.
pub(super) fn tuple(p: &packet::Packet) -> String {
    format!("{} {}.{} > {}.{}", p.proto, p.src, p.sport, p.dst, p.dport)
}
