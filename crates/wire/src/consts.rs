//! The one way constants of the kernel are written down: under their own names, by header.
//!
//!     consts! { "linux/rtnetlink.h"; RTM_NEWLINK: u16 = 16; RTM_DELLINK: u16 = 17; }
//!
//! Each table is compared with the installed headers by a test (`uapi.rs`).

/// Defines constants, and for tests the list `UAPI` of (header, name, value).
macro_rules! consts {
    ($($header:literal; $($name:ident: $ty:ty = $value:expr;)+)+) => {
        $($(pub(crate) const $name: $ty = $value;)+)+

        /// What is compared with the headers.
        #[cfg(test)]
        pub(crate) const UAPI: &[(&str, &str, i128)] =
            &[$($(($header, stringify!($name), $name as i128),)+)+];
    };
}
pub(crate) use consts;
