//! What a packet socket hears: bytes, where they passed, when.
//!
//!     recvmsg(AF_PACKET socket) ──▶ bytes · sockaddr_ll · SCM_TIMESTAMPNS · PACKET_AUXDATA
//!
//! Never here: which sockets, what the bytes mean.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::io::Errno;

use super::{INT, last, length, link_address, socklen};

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// So many bytes were written.
    pub(crate) len: usize,
    /// So many it has.
    pub(crate) whole: u32,
    /// The link, by index.
    pub(crate) index: u32,
    /// `PACKET_HOST` 0, `PACKET_BROADCAST` 1, `PACKET_MULTICAST` 2, `PACKET_OTHERHOST` 3, `PACKET_OUTGOING` 4.
    pub(crate) toward: u8,
    /// The kind of the link (`ARPHRD_*`).
    pub(crate) link: u16,
    /// Nanoseconds since 1970.
    pub(crate) at: u64,
}

/// Sets an option of a socket that is a number.
pub(crate) fn set(fd: BorrowedFd<'_>, level: i32, option: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the value lives through the call, and INT is its length.
    let rc =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), INT) };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// Has every packet come with its time and its length.
pub(crate) fn stamp(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    set(fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)
}

/// The next packet, without waiting.
pub(crate) fn take(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Taken, Errno> {
    let mut from = link_address()?;
    // Words, so that headers of control messages are aligned.
    let mut control = [0_u64; 16];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all of `msghdr` is plain data, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = socklen(size_of::<libc::sockaddr_ll>())?;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = length(size_of_val(&control))?;
    // SAFETY: `message` points to an address, a buffer and room for control messages, each with its
    // length, all of which live through the call.
    let rc = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let len = usize::try_from(rc).map_err(|_| last())?;
    let (at, whole) = told(&message);
    Ok(Taken {
        len,
        whole: whole.unwrap_or_else(|| u32::try_from(len).unwrap_or(u32::MAX)),
        index: u32::try_from(from.sll_ifindex).unwrap_or(0),
        toward: from.sll_pkttype,
        link: from.sll_hatype,
        at: at.unwrap_or(0),
    })
}

/// Time and length, from the control messages.
fn told(message: &libc::msghdr) -> (Option<u64>, Option<u32>) {
    let (mut at, mut whole) = (None, None);
    // SAFETY: `message` was filled in by recvmsg, and what its control part points to still lives.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: the pointer is of CMSG_FIRSTHDR or CMSG_NXTHDR, which stay within the control part.
        let (level, kind, len) =
            unsafe { ((*next).cmsg_level, (*next).cmsg_type, (*next).cmsg_len) };
        // SAFETY: as above.
        let data = unsafe { libc::CMSG_DATA(next) };
        // SAFETY: CMSG_LEN is arithmetic on a length.
        let holds =
            |size| length(unsafe { libc::CMSG_LEN(size) } as usize).is_ok_and(|room| len >= room);
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS && holds(16) {
            // SAFETY: the message holds the sixteen bytes of a timespec.
            let time = unsafe { data.cast::<libc::timespec>().read_unaligned() };
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            at = Some(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0));
        } else if level == libc::SOL_PACKET && kind == libc::PACKET_AUXDATA && holds(8) {
            // SAFETY: the message holds more than the first two words, the second being the length.
            let words = unsafe { data.cast::<[u32; 2]>().read_unaligned() };
            whole = Some(words[1]);
        }
        // SAFETY: both pointers are of this message.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    (at, whole)
}
