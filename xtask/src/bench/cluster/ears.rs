//! Ears in many namespaces: when a route has come to each kernel, and how much was changed at all.
//!
//!     setns, socket(NETLINK_ROUTE), bind(groups)     RTM_NEWROUTE of 10.128.0.16/28 at 3.1 ms
//!
//! Never here: routes themselves.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Fault;

/// `RTMGRP_IPV4_ROUTE`.
const ROUTES: u32 = 0x40;
/// `RTMGRP_NEIGH`.
const NEIGHBOURS: u32 = 0x4;
/// Links, neighbours, addresses and routes of both families.
const EVERYTHING: u32 = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400;
const NEWROUTE: u16 = 24;
const NEWNEIGH: u16 = 28;
const DELNEIGH: u16 = 29;
const PERMANENT: u16 = 0x80;
/// `AF_BRIDGE`, of which forwarding entries are.
const BRIDGE: u8 = 7;
/// `RTA_DST`, and `NDA_DST`.
const DST: u16 = 1;
/// For a hundred thousand routes.
const ROOM: usize = 256 << 20;

/// A socket for each namespace.
pub(super) struct Ears(Vec<OwnedFd>);

impl Ears {
    /// Listens for routes in the namespaces of these hosts.
    pub(super) fn routes(hosts: std::ops::RangeInclusive<usize>) -> Result<Self, Fault> {
        hosts.map(|n| open(space(n), ROUTES)).collect::<Result<_, _>>().map(Self)
    }

    /// Listens for every change in the namespace of this host.
    pub(super) fn everything(host: usize) -> Result<Self, Fault> {
        Ok(Self(vec![open(space(host), EVERYTHING)?]))
    }

    /// Listens for neighbours and forwarding entries in the namespace that this file is.
    pub(super) fn neighbours(space: &Path) -> Result<Self, Fault> {
        Ok(Self(vec![open(space.to_owned(), NEIGHBOURS)?]))
    }

    /// When the route to `net` came to each; what was heard before counts, too.
    pub(super) fn until(&self, net: Ipv4Net, patience: Duration) -> Result<Vec<Instant>, Fault> {
        let mut heard: Vec<Option<Instant>> = vec![None; self.0.len()];
        let begun = Instant::now();
        let mut buffer = vec![0; 1 << 16];
        while heard.iter().any(Option::is_none) {
            if begun.elapsed() > patience {
                let missing = heard.iter().filter(|one| one.is_none()).count();
                return Err(format!("{net} did not come to {missing} kernels").into());
            }
            self.wait()?;
            let now = Instant::now();
            for (socket, slot) in self.0.iter().zip(&mut heard) {
                while let Some(bytes) = take(socket, &mut buffer) {
                    if routes(bytes).any(|route| route == net) {
                        slot.get_or_insert(now);
                    }
                }
            }
        }
        Ok(heard.into_iter().flatten().collect())
    }

    /// When a forwarding entry came to the first by which something is behind the end of a tunnel at `end`.
    pub(super) fn behind(&self, end: Ipv4Addr, patience: Duration) -> Result<Instant, Fault> {
        let begun = Instant::now();
        let mut buffer = vec![0; 1 << 16];
        while begun.elapsed() < patience {
            self.wait()?;
            let now = Instant::now();
            for socket in &self.0 {
                while let Some(bytes) = take(socket, &mut buffer) {
                    if ends(bytes).any(|ip| ip == end) {
                        return Ok(now);
                    }
                }
            }
        }
        Err(format!("nothing came to be behind {end}").into())
    }

    /// Waits until routes to so many prefixes of this length came to the first.
    pub(super) fn ways(&self, length: u8, many: usize, patience: Duration) -> Result<(), Fault> {
        let (begun, mut seen) = (Instant::now(), BTreeSet::new());
        let mut buffer = vec![0; 1 << 16];
        while seen.len() < many {
            if begun.elapsed() > patience {
                return Err(format!("{} of {many} routes came", seen.len()).into());
            }
            self.wait()?;
            for socket in &self.0 {
                while let Some(bytes) = take(socket, &mut buffer) {
                    seen.extend(routes(bytes).filter(|net| net.prefix_len() == length));
                }
            }
        }
        Ok(())
    }

    /// How many changes were told of since, but for neighbours that the kernel itself asks for: hosts
    /// that are in the store alone do not answer the trial of a tunnel.
    pub(super) fn count(&self) -> usize {
        let mut buffer = vec![0; 1 << 16];
        let mut count = 0;
        for socket in &self.0 {
            while let Some(bytes) = take(socket, &mut buffer) {
                count += messages(bytes).filter(|(kind, body)| !asked_for(*kind, body)).count();
            }
        }
        count
    }

    fn wait(&self) -> Result<(), Fault> {
        let mut all: Vec<PollFd<'_>> =
            self.0.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        poll(&mut all, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }))?;
        Ok(())
    }
}

/// The namespace of a host.
pub(super) fn space(host: usize) -> PathBuf {
    format!("/run/netns/h{host}").into()
}

/// In a thread, which ends in that namespace.
fn open(space: PathBuf, groups: u32) -> Result<OwnedFd, Fault> {
    let work = move || -> Result<OwnedFd, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let space = File::open(space).map_err(|e| text(&e))?;
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(space.as_fd(), network).map_err(|e| text(&e))?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // Zero is rtnetlink.
        let kind = None;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, kind);
        let socket = socket.map_err(|e| text(&e))?;
        sockopt::set_socket_recv_buffer_size_force(&socket, ROOM).map_err(|e| text(&e))?;
        bind(&socket, &SocketAddrNetlink::new(0, groups)).map_err(|e| text(&e))?;
        Ok(socket)
    };
    Ok(std::thread::spawn(work).join().map_err(|_| "a thread died")??)
}

fn take<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let (_, length) = recv(socket, &mut *buffer, RecvFlags::DONTWAIT).ok()?;
    buffer.get(..length)
}

/// The messages in what was read: kind and body.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        let body = rest.get(16..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// True for a neighbour that nobody stated (`NUD_PERMANENT`).
fn asked_for(kind: u16, body: &[u8]) -> bool {
    let state = body.get(8..).and_then(<[u8]>::first_chunk).map(|bytes| u16::from_ne_bytes(*bytes));
    matches!(kind, NEWNEIGH | DELNEIGH) && state.is_some_and(|state| state & PERMANENT == 0)
}

/// Where the routes that came lead to.
fn routes(bytes: &[u8]) -> impl Iterator<Item = Ipv4Net> {
    messages(bytes).filter(|(kind, _)| *kind == NEWROUTE).filter_map(|(_, body)| {
        let length = *body.get(1)?;
        Ipv4Net::new(to(body)?, length).ok()
    })
}

/// The ends of tunnels that something came to be behind.
fn ends(bytes: &[u8]) -> impl Iterator<Item = Ipv4Addr> {
    let new = messages(bytes).filter(|(kind, _)| *kind == NEWNEIGH);
    new.filter(|(_, body)| body.first() == Some(&BRIDGE)).filter_map(|(_, body)| to(body))
}

/// Where a route leads to, or behind which end a neighbour is.
fn to(body: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = body.get(12..)?;
    loop {
        let size = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        if kind == DST {
            return rest.get(4..size)?.first_chunk::<4>().map(|ip| Ipv4Addr::from(*ip));
        }
        rest = rest.get(size.next_multiple_of(4).max(4)..)?;
    }
}
