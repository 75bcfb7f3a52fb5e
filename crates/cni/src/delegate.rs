//! Addresses come from another plugin: `ipam.type`, looked for in `CNI_PATH`.
//!
//!     the file found is this very program ─▶ called as a function      else ─▶ run, as runtimes do
//!
//! So who puts another host-local there gets that one.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::call::{Call, Command};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::ipam::{dhcp, fixed, host_local};
use crate::json::Json;
use crate::outcome::Outcome;
use crate::version::Version;

/// The plugin that gives addresses.
pub(crate) struct Ipam<'a> {
    conf: &'a Conf,
    call: &'a Call,
    kind: String,
}

/// ADD runs anew when its file is being written (`ETXTBSY`).
const BUSY: (u32, Duration) = (5, Duration::from_secs(1));

/// The plugin that asks on the LAN, by the container's interface.
const DHCP: &str = "dhcp";

impl<'a> Ipam<'a> {
    /// The one that the configuration names, if it names one.
    pub(crate) fn of(conf: &'a Conf, call: &'a Call) -> Result<Option<Self>, Fault> {
        let ipam = conf.fields.object("ipam")?;
        let kind = ipam.map_or(Ok(String::new()), |ipam| ipam.text("type"))?;
        Ok((!kind.is_empty()).then_some(Self { conf, call, kind }))
    }

    /// True where the interface has to be there before it has an address.
    pub(crate) fn comes_after(&self) -> bool {
        self.kind == DHCP
    }

    /// Addresses for the container; at least one.
    pub(crate) fn add(&self) -> Result<Outcome, Fault> {
        let outcome = match self.own()? {
            Some(Own::HostLocal) => host_local::add(self.conf, self.call)?,
            Some(Own::Static) => fixed::add(self.conf, &self.call.args)?,
            Some(Own::Dhcp) => dhcp::add(self.conf, self.call)?,
            None => self.read(&self.run(Command::Add)?)?,
        };
        if outcome.ips.is_empty() {
            self.give_back();
            let what = format!("IPAM plugin {} returned missing IP config", self.kind);
            return Err(Fault::new(Code::Internal, what));
        }
        Ok(outcome)
    }

    /// Gives them back.
    pub(crate) fn del(&self) -> Result<(), Fault> {
        match self.own()? {
            Some(Own::HostLocal) => host_local::del(self.conf, self.call),
            Some(Own::Static) => Ok(()),
            Some(Own::Dhcp) => dhcp::del(self.conf, self.call),
            None => self.run(Command::Del).map(|_| ()),
        }
    }

    /// As [`Ipam::del`] where something else has failed, which is what is told.
    pub(crate) fn give_back(&self) {
        self.del().ok();
    }

    /// CHECK.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match self.own()? {
            Some(Own::HostLocal) => host_local::check(self.conf, self.call),
            Some(Own::Static) => fixed::check(self.conf, &self.call.args),
            Some(Own::Dhcp) => dhcp::check(self.conf, self.call),
            None => self.run(Command::Check).map(|_| ()),
        }
    }

    /// GC.
    pub(crate) fn gc(&self) -> Result<(), Fault> {
        match self.own()? {
            Some(Own::HostLocal) => host_local::gc(self.conf),
            Some(Own::Static) => Ok(()),
            Some(Own::Dhcp) => dhcp::gc(self.conf),
            None => self.run(Command::Gc).map(|_| ()),
        }
    }

    /// STATUS.
    pub(crate) fn status(&self) -> Result<(), Fault> {
        match self.own()? {
            Some(Own::HostLocal) => host_local::status(self.conf),
            Some(Own::Static) => Ok(()),
            Some(Own::Dhcp) => dhcp::status(self.conf),
            None => self.run(Command::Status).map(|_| ()),
        }
    }

    fn own(&self) -> Result<Option<Own>, Fault> {
        let own = match self.kind.as_str() {
            "host-local" => Own::HostLocal,
            "static" => Own::Static,
            DHCP => Own::Dhcp,
            _ => return Ok(None),
        };
        let id = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
        let found = id(&self.file()?);
        Ok((found.is_some() && found == id(Path::new("/proc/self/exe"))).then_some(own))
    }

    /// The first plain file of its name.
    fn file(&self) -> Result<PathBuf, Fault> {
        let kind = &self.kind;
        if kind.contains('/') {
            return Err(Fault::new(Code::Config, format!("invalid plugin name: {kind}")));
        }
        let mut all = self.call.path.iter().map(|dir| dir.join(kind));
        let list = || self.call.path.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        all.find(|path| path.is_file()).ok_or_else(|| {
            let what = format!("failed to find plugin {kind:?} in path [{}]", list().join(" "));
            Fault::new(Code::Internal, what)
        })
    }

    #[expect(clippy::disallowed_types, reason = "a plugin of somebody else's is a program")]
    #[expect(clippy::disallowed_methods, reason = "nothing tells when a file is written")]
    fn run(&self, command: Command) -> Result<Vec<u8>, Fault> {
        use std::process::{Command as Program, Stdio};
        let file = self.file()?;
        let io = |why: std::io::Error| {
            Fault::new(Code::Io, format!("cannot run {}", file.display())).details(why.to_string())
        };
        let mut program = Program::new(&file);
        program.env("CNI_COMMAND", command.word());
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let (mut left, rest) = BUSY;
        let mut child = loop {
            match program.spawn() {
                Err(why) if why.kind() == std::io::ErrorKind::ExecutableFileBusy && left > 0 => {
                    left = left.saturating_sub(1);
                    std::thread::sleep(rest);
                }
                other => break other.map_err(io)?,
            }
        };
        // One that does not read fails by what it answers.
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&self.conf.stdin).ok();
        }
        let ran = child.wait_with_output().map_err(io)?;
        match ran.status.success() {
            true => Ok(ran.stdout),
            false => Err(self.refusal(&ran.stdout)),
        }
    }

    fn read(&self, answer: &[u8]) -> Result<Outcome, Fault> {
        let Json::Object(object) = Json::read(answer)? else {
            return Err(Fault::new(
                Code::Decode,
                format!("{}: its answer is no object", self.kind),
            ));
        };
        let text = object.text("cniVersion")?;
        let version = match text.is_empty() {
            true => self.conf.version,
            false => Version::read(&text, "")?,
        };
        Outcome::read(&object, version)
    }

    /// What it said when it refused.
    fn refusal(&self, answer: &[u8]) -> Fault {
        let said = match Json::read(answer) {
            Ok(Json::Object(object)) => object,
            Ok(_) | Err(_) => {
                let what = format!("{} failed without a word", self.kind);
                return Fault::new(Code::Internal, what)
                    .details(String::from_utf8_lossy(answer).into_owned());
            }
        };
        let code = said.number("code").ok().flatten().and_then(|n| u16::try_from(n).ok());
        let text = |name| said.text(name).unwrap_or_default();
        Fault::new(code.map_or(Code::Internal, Code::of), text("msg")).details(text("details"))
    }
}

/// Plugins for addresses that this program is.
enum Own {
    HostLocal,
    Static,
    Dhcp,
}
