//! Versions of the protocol, and which plugin speaks which.

use std::fmt;

use crate::fault::{Code, Fault};

/// A version of the CNI specification; their order is that of their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The first one; what a configuration without `cniVersion` is taken for.
    V0_1_0,
    /// Its result has at most one address of each family (`ip4`, `ip6`).
    V0_2_0,
    /// Results with interfaces.
    V0_3_0,
    /// As 0.3.0; plugins are chained.
    V0_3_1,
    /// Adds CHECK.
    V0_4_0,
    /// Addresses no longer say their family.
    V1_0_0,
    /// Adds GC, STATUS, and attributes of routes and interfaces.
    V1_1_0,
}

impl Version {
    /// All, the oldest first.
    pub const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The versions that a plugin speaks: all since the one that brought what it needs.
    #[must_use]
    pub fn spoken_by(plugin: &str) -> &'static [Self] {
        let [_, _, since_0_3_0 @ ..] = &Self::ALL;
        let [_, since_0_3_1 @ ..] = since_0_3_0;
        let [_, since_0_4_0 @ ..] = since_0_3_1;
        match plugin {
            "bandwidth" => since_0_3_0,
            "vrf" => since_0_3_1,
            "firewall" => since_0_4_0,
            _ => &Self::ALL,
        }
    }

    /// The version of a configuration for `plugin`; empty text is the oldest.
    ///
    /// # Errors
    /// [`Code::Version`] when the plugin does not speak it.
    pub fn read(text: &str, plugin: &str) -> Result<Self, Fault> {
        let text = if text.is_empty() { Self::V0_1_0.as_str() } else { text };
        let spoken = Self::spoken_by(plugin);
        spoken.iter().copied().find(|version| version.as_str() == text).ok_or_else(|| {
            let all: Vec<String> = spoken.iter().map(|v| format!("{:?}", v.as_str())).collect();
            Fault::new(Code::Version, "incompatible CNI versions")
                .details(format!("config is {text:?}, plugin supports [{}]", all.join(" ")))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
