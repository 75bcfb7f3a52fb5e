//! Socket options of the tables of iptables-legacy.
//!
//! Never here: what is in a table.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use ropewalk_wire::xt::COUNTERS_AT;
use rustix::io::Errno;

use super::last;

/// Options of the tables of iptables, of both families (include/uapi/linux/netfilter_ipv4/
/// ip_tables.h, netfilter_ipv6/ip6_tables.h), and those of arptables (netfilter_arp/arp_tables.h) that
/// are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Xt {
    /// `IPT_SO_GET_INFO`.
    Info,
    /// `IPT_SO_GET_ENTRIES`.
    Entries,
    /// `ARPT_SO_GET_INFO`.
    ArpInfo,
    /// `ARPT_SO_GET_ENTRIES`.
    ArpEntries,
    /// `IPT_SO_SET_REPLACE`.
    Replace,
    /// `IPT_SO_SET_ADD_COUNTERS`.
    AddCounters,
}

impl Xt {
    fn number(self) -> libc::c_int {
        match self {
            Self::Info | Self::Replace => 64,
            Self::Entries | Self::AddCounters => 65,
            // ARPT_BASE_CTL
            Self::ArpInfo => 96,
            Self::ArpEntries => 97,
        }
    }
}

/// Asks a question about a table; the answer takes its place, which has to be as long as it says.
pub(crate) fn xt_get(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: Xt,
    question: &mut [u8],
) -> Result<(), Errno> {
    let mut len = libc::socklen_t::try_from(question.len()).map_err(|_| Errno::TOOBIG)?;
    // SAFETY: the kernel writes at most `len` bytes, the length of `question`.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            option.number(),
            question.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// Replaces a table by `block`; the kernel writes what the old entries had counted to `counters`.
pub(crate) fn xt_replace(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    block: &mut [u8],
    counters: &mut [u8],
) -> Result<(), Errno> {
    /// Where `struct ipt_replace` says how many counters there are, 16 bytes each, and where.
    const NUMBER: usize = COUNTERS_AT - 4;
    const EACH: usize = 16;
    let number = block.get(NUMBER..).and_then(|b| b.first_chunk()).map(|b| u32::from_ne_bytes(*b));
    let bytes = number.and_then(|n| usize::try_from(n).ok()?.checked_mul(EACH));
    let place = block.get_mut(COUNTERS_AT..).and_then(|b| b.first_chunk_mut());
    let (Some(place), true) = (place, bytes == Some(counters.len())) else {
        return Err(Errno::INVAL);
    };
    *place = counters.as_mut_ptr().expose_provenance().to_ne_bytes();
    // The address stands in `block` for this one call, which writes `number` counters there: the
    // length of `counters`, as was just checked.
    xt_set(fd, level, Xt::Replace, block)
}

/// Gives the entries of a table what their predecessors had counted.
pub(crate) fn xt_add_counters(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    counters: &[u8],
) -> Result<(), Errno> {
    xt_set(fd, level, Xt::AddCounters, counters)
}

/// Sets an option of the tables. Of use here alone: a value for [`Xt::Replace`] holds an address.
fn xt_set(fd: BorrowedFd<'_>, level: libc::c_int, option: Xt, value: &[u8]) -> Result<(), Errno> {
    let len = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::TOOBIG)?;
    // SAFETY: the kernel reads `len` bytes of `value`. An address among them is that of a buffer
    // that `xt_replace` has borrowed and measured.
    let rc = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, option.number(), value.as_ptr().cast(), len)
    };
    if rc == 0 { Ok(()) } else { Err(last()) }
}
