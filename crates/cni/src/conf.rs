//! The configuration on standard input: what every plugin finds there.

use crate::call::{Command, is_plain};
use crate::fault::{Code, Fault};
use crate::json::{Json, Object};
use crate::outcome::{Dns, Outcome};
use crate::version::Version;

/// A network's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Conf {
    /// The version that it is written in, and that the answer is to be written in.
    pub version: Version,
    /// The network.
    pub name: String,
    /// The plugin that it is meant for.
    pub kind: String,
    /// What the plugins before this one in a chain made.
    pub previous: Option<Outcome>,
    /// Name servers.
    pub dns: Dns,
    /// GC: the attachments that are still wanted, each a container and an interface.
    pub valid: Vec<(String, String)>,
    /// Everything, for what only one plugin knows.
    pub fields: Object,
    /// As it was written, for a plugin that is asked in turn.
    pub stdin: Vec<u8>,
}

impl Conf {
    /// Reads the configuration of `plugin` for `command`.
    ///
    /// # Errors
    /// [`Code::Decode`], [`Code::Config`] for a missing or odd name, [`Code::Version`] for a
    /// version that the plugin does not speak or that has no such command.
    pub fn read(stdin: &[u8], plugin: &str, command: Command) -> Result<Self, Fault> {
        let Json::Object(fields) = Json::read(stdin)? else {
            return Err(Fault::new(Code::Decode, "the network configuration is no object"));
        };
        let name = name(&fields)?;
        let version = Version::read(&fields.text("cniVersion")?, plugin)?;
        knows(version, command)?;
        let previous = fields.object("prevResult")?;
        let previous = previous.map(|object| Outcome::read(&object, version)).transpose()?;
        Ok(Self {
            version,
            name,
            kind: fields.text("type")?,
            previous,
            dns: Dns::read(&fields)?,
            valid: valid(&fields)?,
            fields,
            stdin: stdin.to_vec(),
        })
    }
}

fn name(fields: &Object) -> Result<String, Fault> {
    let name = fields.text("name")?;
    if name.is_empty() {
        return Err(Fault::new(Code::Config, "missing network name"));
    }
    if !is_plain(&name) {
        let fault = Fault::new(Code::Config, "invalid characters found in network name");
        return Err(fault.details(format!("{name:?}")));
    }
    Ok(name)
}

/// Refuses a command that `version` does not have yet.
fn knows(version: Version, command: Command) -> Result<(), Fault> {
    let (word, since) = match command {
        Command::Check => ("CHECK", Version::V0_4_0),
        Command::Gc => ("GC", Version::V1_1_0),
        Command::Status => ("STATUS", Version::V1_1_0),
        Command::Add | Command::Del | Command::Version => return Ok(()),
    };
    if version >= since {
        return Ok(());
    }
    let fault = Fault::new(Code::Version, format!("config version does not allow {word}"));
    Err(fault.details(format!("it says {version}; {word} came with {since}")))
}

/// The attachments that GC is to keep.
fn valid(fields: &Object) -> Result<Vec<(String, String)>, Fault> {
    let one = |pair: &Object| Ok((pair.text("containerID")?, pair.text("ifname")?));
    fields.objects("cni.dev/valid-attachments")?.iter().map(one).collect()
}
