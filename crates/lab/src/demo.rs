//! The demo: the labs of examples/, one after the other, and a container of Docker where it runs.
//!
//! Never here: how a lab is played (`play`), how it is shown (`show`).

use std::path::Path;

use crate::docker::{self, Docker};
use crate::error::Error;
use crate::model::Lab;
use crate::play::{Event, play};

/// The labs that the tutorials are about.
const LABS: [(&str, &str); 4] = [
    ("examples/1-bridge.toml", include_str!("../../../examples/1-bridge.toml")),
    ("examples/2-pid.toml", include_str!("../../../examples/2-pid.toml")),
    ("examples/3-routed.toml", include_str!("../../../examples/3-routed.toml")),
    ("examples/4-flat.toml", include_str!("../../../examples/4-flat.toml")),
];

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demo {
    /// What each command does, too, as a script of ip, nft and sysctl.
    pub scripts: bool,
    /// A container of Docker, too, where it runs.
    pub docker: bool,
}

impl Demo {
    /// Shows it with `ropewalk`, and tells `sink` what happens as it happens. Returns whether all
    /// went as expected.
    ///
    /// # Errors
    /// When a lab cannot be built. Nothing is left behind in any case.
    pub fn run(self, ropewalk: &Path, sink: &mut dyn FnMut(Event)) -> Result<bool, Error> {
        let mut good = true;
        for (file, text) in LABS {
            good &= play(Lab::parse(file, text)?, ropewalk, self.scripts, sink)?;
        }
        if let Some(docker) = self.docker.then(Docker::find).flatten() {
            good &= docker::show(&docker, ropewalk, self.scripts, sink)?;
        }
        Ok(good)
    }
}
