//! Which hosts are up: a record that is there for as long as its host's agent says so.
//!
//!     /ropewalk/live/ID     {since, boot}     bound to a lease of 30 s
//!
//! It is for people, and nobody watches it: what a host owns, and the ways to it, stay when it is
//! gone.  A host finds there what it said last; if not, another one speaks in its name, whose disk is
//! a copy.  Never here: who owns what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::HostId;
use crate::keep::{Item, Listing};

/// What every key begins with.
pub const LIVE: &str = "/ropewalk/live/";
/// How often a host says so, in seconds.
pub const EVERY: u64 = 10;

/// A host is up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Since when its agent is: seconds since 1970, by its own clock.
    pub since: u64,
    /// Which boot of it that is.
    #[serde(default)]
    pub boot: String,
}

impl Live {
    /// As it is written.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Those of all hosts. What cannot be read is nobody's.
    #[must_use]
    pub fn all(listing: &Listing) -> BTreeMap<HostId, Self> {
        let read = |item: &Item| {
            let host = item.key.strip_prefix(LIVE)?.parse().ok()?;
            Some((host, serde_json::from_slice(&item.value).ok()?))
        };
        listing.items.iter().filter_map(read).collect()
    }
}

/// What a host hears of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// How often in a row it was not what it had said.
    strange: u8,
}

impl Echo {
    /// Takes note of what stands there after this host had said `said`, which it says in other words
    /// next if that is not it. What has expired is nobody's.
    pub fn hear(&mut self, said: &mut Live, found: Option<&[u8]>) {
        if found.is_some_and(|found| found != said.value()) {
            said.since += 1;
            self.strange = self.strange.saturating_add(1);
        } else {
            self.strange = 0;
        }
    }

    /// Whether another host says that it is this one. A store that was put back to what this host had
    /// said earlier is corrected by the next word.
    #[must_use]
    pub fn twin(self) -> bool {
        self.strange > 1
    }
}

/// The key of a host's.
#[must_use]
pub fn key(host: &HostId) -> String {
    format!("{LIVE}{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host says what it has to say, every ten seconds.
    #[derive(Default)]
    struct Speaker {
        live: Live,
        echo: Echo,
        begun: bool,
    }

    impl Speaker {
        fn new(boot: &str) -> Self {
            let live = Live { since: 7, boot: boot.to_owned() };
            Self { live, ..Self::default() }
        }

        fn speak(&mut self, slot: &mut Option<Vec<u8>>) {
            if std::mem::replace(&mut self.begun, true) {
                self.echo.hear(&mut self.live, slot.as_deref());
            }
            *slot = Some(self.live.value());
        }
    }

    #[test]
    fn two_hosts_from_one_image_find_each_other_and_one_alone_finds_nobody() {
        let (mut one, mut two) = (Speaker::new("a"), Speaker::new("b"));
        let mut slot = None;
        for _ in 0..5 {
            one.speak(&mut slot);
        }
        assert!(!one.echo.twin());
        for _ in 0..3 {
            two.speak(&mut slot);
            one.speak(&mut slot);
        }
        assert!(one.echo.twin() && two.echo.twin());
        // The one leaves.
        one.speak(&mut slot);
        one.speak(&mut slot);
        assert!(!one.echo.twin());
        // Its agent begins anew; the store is put back to what it said before; its lease runs out.
        let mut again = Speaker::new("a");
        again.live.since = 9;
        let before = slot.clone();
        again.speak(&mut slot);
        slot = before;
        again.speak(&mut slot);
        assert!(!again.echo.twin());
        slot = None;
        again.speak(&mut slot);
        again.speak(&mut slot);
        assert_eq!(again.echo, Echo::default());
    }
}
