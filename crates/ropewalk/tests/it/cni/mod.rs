//! Plugins of the container network interface, called as runtimes call them, beside those that
//! Debian packages.
#![expect(clippy::disallowed_types, reason = "plugins are run as runtimes run them")]

mod chain;
mod chains;
mod chance;
mod conformance;
mod cri;
mod crowd;
mod dhcp;
mod engines;
mod ipam;
mod net;
mod own;
mod single;
mod sweep;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::Ran;

/// Whose plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Debians,
}

/// Where Debian's package `containernetworking-plugins` puts them.
const DEBIANS: &str = "/usr/lib/cni";

impl Whose {
    /// Runs `plugin` with the variables of `env` (`COMMAND=ADD …`, without `CNI_`) and `conf` on
    /// standard input.
    pub(crate) fn run(self, plugin: &str, env: &str, conf: &str) -> Ran {
        self.run_with(plugin, env, conf, &[])
    }

    /// The same, with these variables as well.
    pub(crate) fn run_with(
        self,
        plugin: &str,
        env: &str,
        conf: &str,
        vars: &[(&str, &str)],
    ) -> Ran {
        let mut command = match self {
            Self::Ours => Command::new(env!("CARGO_BIN_EXE_ropewalk")),
            Self::Debians => Command::new(Path::new(DEBIANS).join(plugin)),
        };
        let pairs = env.split_whitespace().filter_map(|pair| pair.split_once('='));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.arg0(format!("{DEBIANS}/{plugin}")).env_clear().env("PATH", path);
        command.envs(pairs.map(|(key, value)| (format!("CNI_{key}"), value)));
        command.envs(vars.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the plugin runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A plugin that does not read is no failure of the test.
        stdin.write_all(conf.as_bytes()).ok();
        drop(stdin);
        let ran = child.wait_with_output().expect("the plugin ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran { status: ran.status.code(), out: text(ran.stdout), err: text(ran.stderr) }
    }
}

/// What was printed, as a value.
pub(crate) fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|why| panic!("{why}: {ran:?}"))
}
