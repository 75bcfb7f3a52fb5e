//! Joins: what the sandboxes of a network reach beyond what every network offers.
//!
//!     reach = ["host", "db"]      the host's own services, and the sandboxes of network db
//!
//! One way: those of `db` reach back only if their network says so.  Never here: what enforces it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::name::NetworkName;

/// The word for the host itself; no network to be reached can bear it as its name.
const HOST: &str = "host";

/// What the sandboxes of a network reach beyond what every network offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joins {
    /// The host's services by any of its addresses, not only the gateway's name service.
    pub host: bool,
    /// The sandboxes of these networks, published or not.
    pub networks: BTreeSet<NetworkName>,
}

impl Joins {
    /// Reads the words of the option; an error comes with the index of its word.
    pub(crate) fn read(own: &NetworkName, texts: &[String]) -> Result<Self, (usize, Problem)> {
        let mut joins = Self::default();
        for (index, text) in texts.iter().enumerate() {
            if text == HOST {
                joins.host = true;
                continue;
            }
            let name = NetworkName::new(text.as_str());
            let name = name.map_err(|why| (index, Problem::name(text, why)))?;
            if name == *own {
                return Err((index, Problem::Itself { name: text.clone() }));
            }
            joins.networks.insert(name);
        }
        Ok(joins)
    }

    /// Writes the words that read equal.
    pub(crate) fn write(&self) -> Vec<String> {
        let host = self.host.then(|| HOST.to_owned());
        host.into_iter().chain(self.networks.iter().map(ToString::to_string)).collect()
    }
}
