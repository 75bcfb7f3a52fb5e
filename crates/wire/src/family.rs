//! Numbers of address families (include/linux/socket.h, which no header of the kernel's user
//! interface holds).

/// `AF_UNSPEC`.
pub(crate) const AF_UNSPEC: u8 = 0;
/// `AF_INET`.
pub(crate) const AF_INET: u8 = 2;
/// `AF_BRIDGE`.
pub(crate) const AF_BRIDGE: u8 = 7;
/// `AF_INET6`.
pub(crate) const AF_INET6: u8 = 10;
