//! The floor of the benchmark: a process that sends prepared messages and reads the answers.
//!
//!     floor PARTS [NAMESPACE]
//!     PARTS: { where u32, length u32, number of the request answered last u32, messages }…
//!
//! The namespace is opened first, so that its descriptor is 3, as the messages say. What goes
//! inside comes last: nobody has to come back.  Never here: a decision, a store, a second look.

#![expect(clippy::print_stderr, reason = "a refusal is told to the person at the terminal")]

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

type Fault = Box<dyn std::error::Error>;

/// Where a part goes, as `bench::floor` writes it.
const NETFILTER: u32 = 1;
const INSIDE: u32 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("floor: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Fault> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or("no parts")?;
    let namespace = arguments.next().map(File::open).transpose()?;
    let all = std::fs::read(path)?;
    let mut rest = all.as_slice();
    while let Some((head, tail)) = rest.split_first_chunk::<12>() {
        let [place, len, last] = numbers(head);
        let (messages, tail) = tail.split_at_checked(usize::try_from(len)?).ok_or("cut off")?;
        if place == INSIDE {
            let fd = namespace.as_ref().ok_or("no namespace")?.as_fd();
            move_into_link_name_space(fd, Some(LinkNameSpaceType::Network))?;
        }
        exchange(&open(place)?, messages, last)?;
        rest = tail;
    }
    Ok(())
}

fn open(place: u32) -> Result<OwnedFd, Fault> {
    let family = (place == NETFILTER).then_some(netlink::NETFILTER);
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, family)?)
}

/// Sends, and reads until the request numbered `last` is acknowledged.
fn exchange(socket: &OwnedFd, messages: &[u8], last: u32) -> Result<(), Fault> {
    send(socket, messages, SendFlags::empty())?;
    let mut inbox = [0; 4096];
    loop {
        let (_, len) = recv(socket, &mut inbox[..], RecvFlags::DONTWAIT)?;
        let mut rest = inbox.get(..len).ok_or("too long an answer")?;
        // Length, type and flags, number, port; then, as every answer is an error, its errno.
        while let Some((head, _)) = rest.split_first_chunk::<20>() {
            let [len, _, seq, _, errno] = numbers(head);
            if errno != 0 {
                return Err(format!("request {seq}: errno {}", errno.wrapping_neg()).into());
            }
            if seq == last {
                return Ok(());
            }
            rest = rest.get(usize::try_from(len)?.max(20)..).unwrap_or_default();
        }
    }
}

/// Numbers in the host's byte order.
fn numbers<const BYTES: usize, const COUNT: usize>(bytes: &[u8; BYTES]) -> [u32; COUNT] {
    let mut found = [0; COUNT];
    for (number, four) in found.iter_mut().zip(bytes.chunks_exact(4)) {
        *number = four.first_chunk().map_or(0, |four| u32::from_ne_bytes(*four));
    }
    found
}
