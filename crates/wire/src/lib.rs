//! Bytes ⇄ facts: what goes over netlink sockets, and what it means.
//!
//!     facts ──rt, nft──▶ Request ──nl──▶ bytes ──(kernel layer)──▶ Linux
//!     facts ◀──rt, nft── Message ◀──nl── bytes ◀──(kernel layer)── Linux
//!
//! Pure: every byte that comes in is parsed within bounds.
//! Never here: sockets, files, clocks; a file descriptor is a number to be written down.

mod consts;
pub mod ct;
pub mod dbus;
pub mod diag;
mod error;
mod family;
pub mod heard;
pub mod lan;
pub mod nft;
pub mod nl;
pub mod pcapng;
pub mod rt;
pub mod trace;
#[cfg(test)]
mod uapi;
pub mod xt;

pub use error::Error;
