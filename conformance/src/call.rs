//! One call of one plugin, as a runtime makes it: variables and standard input in, answer out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Host;
use crate::check::{Held, Miss, that, wrong};

/// A plugin that takes longer than this is ended.
const PATIENCE: &str = "40";

/// What a call left.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// The call, for messages.
    pub(crate) call: String,
    /// None when a signal ended it.
    pub(crate) status: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Host {
    /// Runs a plugin with these variables, `CNI_` left out of their names, and nothing else but
    /// PATH.
    pub(crate) fn raw(
        &self,
        plugin: &str,
        vars: &BTreeMap<&str, String>,
        stdin: &str,
    ) -> Result<Ran, Miss> {
        let file = self.plugins.join(plugin);
        if !file.exists() {
            return Err(Miss::Cannot(format!("there is no plugin {plugin}")));
        }
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).arg(&file).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(vars.iter().map(|(name, value)| (format!("CNI_{name}"), value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let verb = vars.get("COMMAND").map_or("without a verb", String::as_str);
        let call = format!("{plugin} {verb}");
        let ended = command.spawn().and_then(|mut child| {
            if let Some(mut pipe) = child.stdin.take() {
                // One that does not read is no failure.
                pipe.write_all(stdin.as_bytes()).ok();
            }
            child.wait_with_output()
        });
        match ended {
            Ok(output) => Ok(Ran {
                call,
                status: output.status.code(),
                out: String::from_utf8_lossy(&output.stdout).into_owned(),
                err: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
            Err(why) => wrong(&call, "it runs", why),
        }
    }
}

impl Ran {
    /// It succeeded; what it answered.
    pub(crate) fn ok(&self) -> Result<Value, Miss> {
        if self.status != Some(0) {
            return wrong(&self.call, "it succeeds", self);
        }
        if self.out.is_empty() {
            return Ok(Value::Null);
        }
        self.json()
    }

    /// It succeeded and said nothing.
    pub(crate) fn quiet(&self) -> Held {
        that(self.status == Some(0) && self.out.is_empty(), &self.call, "success, no output", self)
    }

    /// It was refused with one of these codes, in one object of the protocol on standard output.
    pub(crate) fn refused(&self, codes: &[u64]) -> Result<String, Miss> {
        let answer = self.json()?;
        let code = answer["code"].as_u64().unwrap_or_default();
        let msg = answer["msg"].as_str().unwrap_or_default();
        let fits = codes.is_empty() || codes.contains(&code);
        if self.status == Some(0) || code == 0 || msg.is_empty() || !fits {
            let wanted = match codes {
                [] => "refused, with a code and a message".to_owned(),
                some => format!("refused with code {some:?} and a message"),
            };
            return wrong(&self.call, wanted, self);
        }
        let details = answer["details"].as_str().unwrap_or_default();
        Ok(format!("{msg} {details}"))
    }

    fn json(&self) -> Result<Value, Miss> {
        serde_json::from_str(&self.out).or_else(|why| {
            wrong(&self.call, "one JSON value on standard output", format!("{why}: {self}"))
        })
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.status.map_or("a signal".to_owned(), |status| status.to_string());
        write!(f, "status {status}, said {:?}", self.out)?;
        if self.err.is_empty() { Ok(()) } else { write!(f, ", on standard error {:?}", self.err) }
    }
}
