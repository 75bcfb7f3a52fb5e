//! System calls that neither std nor rustix has: netlink socket options, ioctls of namespaces, of
//! /dev/net/tun and of links' drivers, packet sockets.
//!
//! All `unsafe` of the workspace is here.  Never here: decisions.
#![expect(unsafe_code, reason = "setsockopt, getsockopt and ioctl with numbers rustix has not")]

pub(crate) mod bpf;
pub(crate) mod packet;
pub(crate) mod xt;

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::io::Errno;

/// `NETLINK_LISTEN_ALL_NSID`, the option and what it adds to a message.
const ALL_NSID: libc::c_int = 8;

/// Netlink options: all but the first are on in every socket of ours (include/uapi/linux/netlink.h).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum NetlinkOption {
    /// What happens in namespaces that have a number in ours is heard, too.
    ListenAllNsid = ALL_NSID,
    /// A refused request comes back as its header only.
    CapAck = 10,
    /// Refusals carry the kernel's words.
    ExtAck = 11,
    /// Dumps honour their filters, and refuse those they do not know.
    GetStrictChk = 12,
}

/// `NS_GET_NSTYPE`, `_IO(0xb7, 3)` of include/uapi/linux/nsfs.h.
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
/// `PIDFD_GET_NET_NAMESPACE`, `_IO(0xff, 4)` of include/uapi/linux/pidfd.h, Linux 6.11.
const PIDFD_GET_NET_NAMESPACE: libc::Ioctl = 0xff04;

/// The size of an int, and that of a cookie.
const INT: libc::socklen_t = 4;
const COOKIE: libc::socklen_t = 8;

/// The socket that a service manager opened for this process (`sd_listen_fds`, always number 3).
pub(crate) fn passed_socket() -> Option<OwnedFd> {
    static TAKEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    const FIRST: i32 = 3;
    if TAKEN.swap(true, std::sync::atomic::Ordering::SeqCst) {
        return None;
    }
    // SAFETY: whoever started this process says that the descriptor is open and for it, and it is
    // taken once.
    Some(unsafe { OwnedFd::from_raw_fd(FIRST) })
}

/// From now on memory that is freed goes back to the system, in pieces of 64 KiB and more: glibc keeps what
/// it once got, raises the size from which it does not with each large piece, and keeps some for each thread
/// (mallopt(3)). Others than glibc give it back anyway.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    {
        const PIECE: libc::c_int = 64 << 10;
        let limits = [
            (libc::M_MMAP_THRESHOLD, PIECE),
            (libc::M_TRIM_THRESHOLD, PIECE),
            (libc::M_ARENA_MAX, 1),
        ];
        for (limit, value) in limits {
            // SAFETY: two numbers by value; the allocator takes its own lock.
            let _taken = unsafe { libc::mallopt(limit, value) };
        }
    }
}

/// Gives back what is free in the middle of what was got, too (malloc_trim(3)).
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: a number by value; the allocator takes its own lock.
        let _given = unsafe { libc::malloc_trim(0) };
    }
}

fn last() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Switches a netlink option on.
pub(crate) fn set_netlink_option(fd: BorrowedFd<'_>, option: NetlinkOption) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    // SAFETY: the value lives through the call, and INT is its length.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option as libc::c_int,
            (&raw const on).cast(),
            INT,
        )
    };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// Receives a datagram: its length, which may be more than `inbox` holds, and the number of the
/// namespace that it tells of, when that is not the socket's own.
pub(crate) fn receive_numbered(
    fd: BorrowedFd<'_>,
    inbox: &mut [u8],
) -> Result<(usize, Option<i32>), Errno> {
    let mut part = libc::iovec { iov_base: inbox.as_mut_ptr().cast(), iov_len: inbox.len() };
    let mut control = [0_u64; 8];
    // SAFETY: all zeros is a message without name, parts and control.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = length(size_of_val(&control))?;
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: part and control live through the call, and their lengths are right.
    let len = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) };
    let len = usize::try_from(len).map_err(|_| last())?;
    let mut number = None;
    // SAFETY: the kernel filled control in as far as msg_controllen says, which these macros heed.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(&raw const message);
        while !at.is_null() {
            let whole = (*at).cmsg_len >= length(libc::CMSG_LEN(INT) as usize)?;
            if whole && (*at).cmsg_level == libc::SOL_NETLINK && (*at).cmsg_type == ALL_NSID {
                number = Some(libc::CMSG_DATA(at).cast::<libc::c_int>().read_unaligned());
            }
            at = libc::CMSG_NXTHDR(&raw const message, at);
        }
    }
    Ok((len, number))
}

/// The number of a socket's network namespace, which no other namespace has until the next boot.
pub(crate) fn netns_cookie(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut cookie: u64 = 0;
    let mut len = COOKIE;
    // SAFETY: the kernel writes at most `len` bytes, and COOKIE is the size of `cookie`.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    if rc == 0 { Ok(cookie) } else { Err(last()) }
}

/// True when the namespace file `fd` is of the network kind.
pub(crate) fn is_net_namespace(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: this request takes no argument and changes nothing.
    let kind = unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE) };
    kind == libc::CLONE_NEWNET
}

/// The network namespace of the process that `pidfd` stands for.
pub(crate) fn netns_of_pidfd(pidfd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: the request takes no argument that the kernel writes through.
    let fd = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_NET_NAMESPACE, 0) };
    if fd < 0 {
        return Err(last());
    }
    // SAFETY: the kernel has just opened this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Moves the calling thread into a new network namespace.
pub(crate) fn unshare_net() -> Result<(), Errno> {
    // SAFETY: only the network namespace is unshared, not the table of file descriptors.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
}

/// What is asked of /dev/net/tun (include/uapi/linux/if_tun.h), each with a number.
#[derive(Clone, Copy)]
pub(crate) enum TunRequest {
    /// `TUNSETPERSIST`: it stays when it is closed.
    Persist = 0x4004_54cb,
    /// `TUNSETOWNER`
    Owner = 0x4004_54cc,
    /// `TUNSETGROUP`
    Group = 0x4004_54ce,
}

/// `TUNSETIFF`: makes the link, or joins it.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
/// `IFF_TAP`, `IFF_MULTI_QUEUE`, `IFF_NO_PI`, and `IFF_TUN_EXCL` for making alone.
const TAP_FLAGS: libc::c_short = 0x0002 | 0x1000;
const MULTI_QUEUE: libc::c_short = 0x0100;
const EXCLUSIVE: libc::c_ushort = 0x8000;

/// Makes a tap behind `fd`, which is /dev/net/tun; there must be none of its name.
pub(crate) fn tun_name(fd: BorrowedFd<'_>, name: &str, multi_queue: bool) -> Result<(), Errno> {
    let queues = if multi_queue { MULTI_QUEUE } else { 0 };
    let ifru_flags = TAP_FLAGS | queues | EXCLUSIVE.cast_signed();
    let mut request = about(name, libc::__c_anonymous_ifr_ifru { ifru_flags });
    // SAFETY: the request reads and writes one `ifreq`, which lives through the call.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// A request about the link `name`.
fn about(name: &str, ifr_ifru: libc::__c_anonymous_ifr_ifru) -> libc::ifreq {
    let mut request = libc::ifreq { ifr_name: [0; libc::IFNAMSIZ], ifr_ifru };
    // The last byte stays zero.
    let room = libc::IFNAMSIZ - 1;
    for (to, from) in request.ifr_name.iter_mut().take(room).zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request
}

/// What a link's driver is asked for (include/uapi/linux/ethtool.h).
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Ethtool {
    /// `ETHTOOL_GTXCSUM`: whether checksums of what is sent are left to it.
    TxChecksum = 0x16,
    /// `ETHTOOL_STXCSUM`: that they be, or not.
    SetTxChecksum = 0x17,
}

/// `SIOCETHTOOL` of include/uapi/linux/sockios.h.
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// Asks the driver of the link `name` in the namespace of the socket `fd`. Returns the value after it.
pub(crate) fn ethtool(
    fd: BorrowedFd<'_>,
    name: &str,
    what: Ethtool,
    value: u32,
) -> Result<u32, Errno> {
    // `struct ethtool_value`: the request, and its value.
    let mut words = [what as u32, value];
    let ifru_data = (&raw mut words).cast();
    let mut request = about(name, libc::__c_anonymous_ifr_ifru { ifru_data });
    // SAFETY: the request reads and writes one `ifreq` and the two words behind its pointer, all of
    // which live through the call.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    let [_, value] = words;
    if rc == 0 { Ok(value) } else { Err(last()) }
}

/// `SIOCSIFHWADDR` of include/uapi/linux/sockios.h.
const SIOCSIFHWADDR: libc::Ioctl = 0x8924;

/// Sets the hardware address of the tap behind `fd`.
pub(crate) fn tun_mac(fd: BorrowedFd<'_>, mac: [u8; 6]) -> Result<(), Errno> {
    let mut address = libc::sockaddr { sa_family: libc::ARPHRD_ETHER, sa_data: [0; 14] };
    for (to, from) in address.sa_data.iter_mut().zip(mac) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_hwaddr: address },
    };
    // SAFETY: the request reads one `ifreq`, which lives through the call.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), SIOCSIFHWADDR, &raw const request) };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// Sets something of the tap behind `fd`.
pub(crate) fn tun_set(fd: BorrowedFd<'_>, what: TunRequest, value: u32) -> Result<(), Errno> {
    let value = libc::c_ulong::from(value);
    // SAFETY: these requests take a number, not a pointer.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), what as libc::Ioctl, value) };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// Lets the socket hear only what a classic BPF program accepts, given as its instructions
/// (`code, jump if true, jump if false, value`).
pub(crate) fn hear_only(fd: BorrowedFd<'_>, program: &[(u16, u8, u8, u32)]) -> Result<(), Errno> {
    let instruction =
        |&(code, jt, jf, k): &(u16, u8, u8, u32)| libc::sock_filter { code, jt, jf, k };
    let mut filter: Vec<libc::sock_filter> = program.iter().map(instruction).collect();
    let len = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    let size = socklen(size_of::<libc::sock_fprog>())?;
    // SAFETY: `filter` holds `len` instructions and lives through the call, which copies them.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// Binds a packet socket to the frames of one protocol (`ETH_P_*`) on one link.
pub(crate) fn bind_to_link(fd: BorrowedFd<'_>, index: u32, protocol: u16) -> Result<(), Errno> {
    let mut address = link_address()?;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(|_| Errno::INVAL)?;
    let size = socklen(size_of::<libc::sockaddr_ll>())?;
    // SAFETY: `address` is an initialised sockaddr_ll, and `size` is its length.
    let rc = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) };
    if rc == 0 { Ok(()) } else { Err(last()) }
}

/// The hardware address of the link that a packet socket is bound to, if it is of Ethernet.
pub(crate) fn mac_of_bound(fd: BorrowedFd<'_>) -> Result<Option<[u8; 6]>, Errno> {
    let mut address = link_address()?;
    let mut size = socklen(size_of::<libc::sockaddr_ll>())?;
    // SAFETY: the kernel writes at most `size` bytes, the length of `address`, which is plain data.
    let rc = unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut size) };
    if rc != 0 {
        return Err(last());
    }
    let ethernet = address.sll_hatype == libc::ARPHRD_ETHER && address.sll_halen == 6;
    Ok(address.sll_addr.first_chunk().copied().filter(|_| ethernet))
}

fn link_address() -> Result<libc::sockaddr_ll, Errno> {
    Ok(libc::sockaddr_ll {
        sll_family: libc::sa_family_t::try_from(libc::AF_PACKET).map_err(|_| Errno::INVAL)?,
        sll_protocol: 0,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    })
}

fn socklen(size: usize) -> Result<libc::socklen_t, Errno> {
    length(size)
}

/// A length in the type that the C library has for it, of which there are several.
fn length<T: TryFrom<usize>>(size: usize) -> Result<T, Errno> {
    T::try_from(size).map_err(|_| Errno::INVAL)
}
