//! Links that stand on another link, their lower one, which may be in another namespace; and taps.
//!
//!     ip link add link eth1 name eth0 netns red type macvlan mode bridge
//!     ip tuntap add dev tap0 mode tap user 1000
//!
//! The lower link goes and takes them along; the other way round nothing happens.

use serde::{Deserialize, Serialize};

use crate::link::{LinkKind, Peer};

/// The lower link, as a wish always given; found, it is `None` where its namespace was not read.
pub type Lower = Option<Peer>;

macro_rules! modes {
    ($(#[$head:meta])* $name:ident: $number:ty { $($(#[$doc:meta])* $variant:ident $word:literal $value:literal,)* }) => {
        $(#[$head])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that ip(8) has for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The mode of a word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|mode| mode.word() == word)
            }

            /// The kernel's number for it (include/uapi/linux/if_link.h).
            #[must_use]
            pub fn number(self) -> $number {
                match self { $(Self::$variant => $value,)* }
            }

            /// The mode of a number.
            #[must_use]
            pub fn from_number(number: $number) -> Option<Self> {
                Self::ALL.iter().copied().find(|mode| mode.number() == number)
            }
        }
    };
}

modes! {
    /// How the macvlans of one lower link reach each other.
    MacvlanMode: u32 {
        /// Not at all.
        Private "private" 1,
        /// By way of the switch outside, if that sends frames back where they came from.
        Vepa "vepa" 2,
        /// Directly.
        Bridge "bridge" 4,
        /// There is one alone, and it has the lower link's own hardware address.
        Passthru "passthru" 8,
    }
}

modes! {
    /// What ipvlans share with their lower link, whose hardware address they all have.
    IpvlanMode: u16 {
        /// A wire: each answers ARP for its own addresses.
        L2 "l2" 0,
        /// The routing of the lower link's namespace: no ARP, no broadcasts.
        L3 "l3" 1,
        /// As `L3`, and its netfilter hooks and connection tracking.
        L3s "l3s" 2,
    }
}

/// Settings of a tap, a link whose other end is a process (a virtual machine's), fixed when it is
/// made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapSpec {
    /// The user who may open it, beside root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// The group that may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// Several processes, or threads, may open it at a time, each as a queue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multi_queue: bool,
}

impl LinkKind {
    /// The link that this one stands on and goes with, where there is one and it is known.
    #[must_use]
    pub fn lower(&self) -> Option<&Peer> {
        match self {
            Self::Macvlan { lower, .. } | Self::Ipvlan { lower, .. } | Self::Vlan { lower, .. } => {
                lower.as_ref()
            }
            Self::Veth { .. }
            | Self::Bridge
            | Self::Dummy
            | Self::Ifb
            | Self::Vrf { .. }
            | Self::Tap(_)
            | Self::Vxlan(_)
            | Self::Moved { .. }
            | Self::Loopback
            | Self::Other(_) => None,
        }
    }

    /// Where a link that is moved belongs.
    #[must_use]
    pub fn origin(&self) -> Option<&Peer> {
        if let Self::Moved { from } = self { Some(from) } else { None }
    }

    /// True for a kind of link that stands on another.
    #[must_use]
    pub fn stacked(&self) -> bool {
        matches!(self, Self::Macvlan { .. } | Self::Ipvlan { .. } | Self::Vlan { .. })
    }
}
