//! The plugins: which there are, and how one is run.
//!
//!     name it was called by ─▶ plugin      environment, standard input ─▶ verb ─▶ answer
//!
//! An answer is one text for standard output, and a status: 0 done, 1 refused.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use crate::call::{Call, Command};
use crate::chain::{self, bandwidth, firewall, portmap, sbr, tuning, vrf};
use crate::conf::Conf;
use crate::delegate::Ipam;
use crate::fault::{Code, Fault};
use crate::ipam::{dhcp, fixed, host_local};
use crate::net::{Task, bridge, loopback, own, ptp, single};
use crate::outcome::Outcome;
use crate::print;

/// One plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// A member of a bridge.
    Bridge,
    /// A pair and a host route.
    Ptp,
    /// A link with a hardware address of its own on a link of the host.
    Macvlan,
    /// A link behind the hardware address of a link of the host.
    Ipvlan,
    /// One VLAN of a link of the host.
    Vlan,
    /// A link of the host itself.
    HostDevice,
    /// A link that leads nowhere.
    Dummy,
    /// A link whose other end a process holds.
    Tap,
    /// Loopback.
    Loopback,
    /// Ports of the host.
    Portmap,
    /// Rates.
    Bandwidth,
    /// The rules of others.
    Firewall,
    /// Settings.
    Tuning,
    /// A table of routes for each address.
    Sbr,
    /// A routing domain.
    Vrf,
    /// Addresses from ranges.
    HostLocal,
    /// Addresses from the configuration.
    Static,
    /// Addresses from the server of a LAN.
    Dhcp,
    /// All of a chain, on a network of ropewalk's own.
    Ropewalk,
}

/// The release of the reference plugins whose behaviour is kept: what tools that read the version
/// line (nerdctl) compare with.
const KEPT: &str = "1.9.1";

/// The name of the program, which is that of its own plugin.
const OWN: &str = "ropewalk";

/// The largest configuration that is read, in bytes.
const STDIN_MAX: u64 = 16 << 20;

impl Plugin {
    /// Those that are links to this program, with the names of the links.
    pub const ALL: [(&str, Self); 18] = [
        ("bridge", Self::Bridge),
        ("ptp", Self::Ptp),
        ("macvlan", Self::Macvlan),
        ("ipvlan", Self::Ipvlan),
        ("vlan", Self::Vlan),
        ("host-device", Self::HostDevice),
        ("dummy", Self::Dummy),
        ("tap", Self::Tap),
        ("loopback", Self::Loopback),
        ("portmap", Self::Portmap),
        ("bandwidth", Self::Bandwidth),
        ("firewall", Self::Firewall),
        ("tuning", Self::Tuning),
        ("sbr", Self::Sbr),
        ("vrf", Self::Vrf),
        ("host-local", Self::HostLocal),
        ("static", Self::Static),
        ("dhcp", Self::Dhcp),
    ];

    /// The plugin that a program of this name is.
    #[must_use]
    pub fn called(program: &str) -> Option<Self> {
        let name = Path::new(program).file_name()?.to_str()?;
        // A person types this name too: only runtimes name a command, and they give no words.
        let runtimes = || std::env::var_os("CNI_COMMAND").is_some() && std::env::args().len() == 1;
        if name == OWN && runtimes() {
            return Some(Self::Ropewalk);
        }
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, plugin)| *plugin)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, plugin)| *plugin == self).map_or(OWN, |(name, _)| name)
    }

    /// Runs as a runtime runs it: call and configuration in, answer out. `dhcp daemon` is no call.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let mut words = std::env::args().skip(1);
        if self == Self::Dhcp && words.next().as_deref() == Some("daemon") {
            return dhcp::main(words);
        }
        let vars = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("CNI_"))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        match self.answer(&vars.collect(), &mut std::io::stdin()) {
            Ok(Said::Out(text)) => say(&mut std::io::stdout(), &text, ExitCode::SUCCESS),
            Ok(Said::About(text)) => say(&mut std::io::stderr(), &text, ExitCode::SUCCESS),
            Err(fault) => say(&mut std::io::stdout(), &print::fault(&fault), ExitCode::FAILURE),
        }
    }

    fn answer(self, env: &BTreeMap<String, String>, stdin: &mut impl Read) -> Result<Said, Fault> {
        let Some(call) = Call::read(env)? else {
            return Ok(Said::About(print::about(self.name(), KEPT)));
        };
        if call.command == Command::Version {
            return Ok(Said::Out(print::versions(self.name())));
        }
        let conf = Conf::read(&all(stdin)?, self.name(), call.command)?;
        if let Some(netns) = call.netns.as_ref().filter(|_| !call.own_netns) {
            not_own(netns)?;
        }
        match call.command {
            Command::Add => {
                let outcome = self.add(&conf, &call)?;
                // Older versions cannot say everything: that is no reason to keep what was made.
                print::outcome(&outcome, conf.version).map(Said::Out).inspect_err(|_| {
                    self.del(&conf, &call).ok();
                })
            }
            Command::Del => self.del(&conf, &call).map(|()| Said::nothing()),
            Command::Check => self.check(&conf, &call).map(|()| Said::nothing()),
            Command::Gc => self.gc(&conf, &call).map(|()| Said::nothing()),
            Command::Status => self.status(&conf, &call).map(|()| Said::nothing()),
            Command::Version => Ok(Said::nothing()),
        }
    }

    /// What it does for a container.
    fn role(self) -> Role {
        match self {
            Self::Bridge
            | Self::Ptp
            | Self::Macvlan
            | Self::Ipvlan
            | Self::Vlan
            | Self::HostDevice
            | Self::Dummy
            | Self::Tap => Role::Interface,
            Self::Portmap
            | Self::Bandwidth
            | Self::Firewall
            | Self::Tuning
            | Self::Sbr
            | Self::Vrf => Role::Addition,
            Self::Loopback => Role::Loopback,
            Self::HostLocal => Role::HostLocal,
            Self::Static => Role::Static,
            Self::Dhcp => Role::Dhcp,
            Self::Ropewalk => Role::Own,
        }
    }

    fn add(self, conf: &Conf, call: &Call) -> Result<Outcome, Fault> {
        match self {
            Self::Bridge => bridge::add(&mut Task::new(conf, call)?),
            Self::Ptp => ptp::add(&mut Task::new(conf, call)?),
            Self::Macvlan
            | Self::Ipvlan
            | Self::Vlan
            | Self::HostDevice
            | Self::Dummy
            | Self::Tap => single::add(&mut Task::new(conf, call)?, self),
            Self::Loopback => loopback::add(&mut Task::new(conf, call)?),
            Self::Tuning => tuning::add(&mut Task::new(conf, call)?),
            Self::Portmap => portmap::add(&mut Task::new(conf, call)?),
            Self::Bandwidth => bandwidth::add(&mut Task::new(conf, call)?),
            Self::Firewall => firewall::add(&mut Task::new(conf, call)?),
            Self::Sbr => sbr::add(&mut Task::new(conf, call)?),
            Self::Vrf => vrf::add(&mut Task::new(conf, call)?),
            Self::HostLocal => host_local::add(conf, call),
            Self::Static => fixed::add(conf, &call.args),
            Self::Dhcp => dhcp::add(conf, call),
            Self::Ropewalk => own::add(&mut Task::new(conf, call)?),
        }
    }

    fn del(self, conf: &Conf, call: &Call) -> Result<(), Fault> {
        match self.role() {
            // A link of the host's own is not one to drop.
            Role::Interface => Task::new(conf, call)?.del(self != Self::HostDevice),
            Role::Addition => chain::del(&mut Task::new(conf, call)?, self.name()),
            Role::HostLocal => host_local::del(conf, call),
            Role::Dhcp => dhcp::del(conf, call),
            Role::Own => own::del(&mut Task::new(conf, call)?),
            Role::Loopback | Role::Static => Ok(()),
        }
    }

    fn check(self, conf: &Conf, call: &Call) -> Result<(), Fault> {
        match self.role() {
            Role::Interface => single::check(&mut Task::new(conf, call)?, self),
            Role::Addition => chain::check(&mut Task::new(conf, call)?),
            Role::Loopback => loopback::check(&mut Task::new(conf, call)?),
            Role::HostLocal => host_local::check(conf, call),
            Role::Dhcp => dhcp::check(conf, call),
            Role::Own => own::check(&mut Task::new(conf, call)?),
            Role::Static => fixed::check(conf, &call.args),
        }
    }

    fn gc(self, conf: &Conf, call: &Call) -> Result<(), Fault> {
        match self.role() {
            Role::Interface => Task::new(conf, call)?.gc(),
            Role::Addition => chain::gc(&mut Task::new(conf, call)?, self.name()),
            Role::HostLocal => host_local::gc(conf),
            Role::Dhcp => dhcp::gc(conf),
            Role::Own => own::gc(&mut Task::new(conf, call)?),
            Role::Loopback | Role::Static => Ok(()),
        }
    }

    fn status(self, conf: &Conf, call: &Call) -> Result<(), Fault> {
        match self.role() {
            Role::Interface => {
                let mut task = Task::new(conf, call).map_err(unavailable)?;
                if self == Self::Bridge {
                    bridge::status(&task)?;
                } else if self != Self::Ptp {
                    single::status(&mut task, self)?;
                }
                Ipam::of(conf, call)?.map_or(Ok(()), |ipam| ipam.status())
            }
            Role::Addition => Task::new(conf, call).map(|_| ()).map_err(unavailable),
            Role::HostLocal => host_local::status(conf),
            Role::Dhcp => dhcp::status(conf),
            Role::Own => {
                own::status(&mut Task::new(conf, call).map_err(unavailable)?).map_err(unavailable)
            }
            Role::Loopback | Role::Static => Ok(()),
        }
    }
}

/// What a plugin does for a container.
enum Role {
    /// Gives it an interface.
    Interface,
    /// Sees to its loopback.
    Loopback,
    /// Adds to an interface that it has.
    Addition,
    /// Chooses its addresses from ranges.
    HostLocal,
    /// Says its addresses.
    Static,
    /// Has a server say them.
    Dhcp,
    /// All of that.
    Own,
}

/// What would make every ADD fail.
fn unavailable(fault: Fault) -> Fault {
    Fault { code: Code::NotAvailable, ..fault }
}

/// What is said to whom.
enum Said {
    /// To the runtime.
    Out(String),
    /// To a person who tries the program.
    About(String),
}

impl Said {
    fn nothing() -> Self {
        Self::Out(String::new())
    }
}

fn say(to: &mut impl Write, text: &str, status: ExitCode) -> ExitCode {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => status,
        Err(_) => ExitCode::FAILURE,
    }
}

fn all(stdin: &mut impl Read) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    stdin.take(STDIN_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(|why| {
        Fault::new(Code::Io, "cannot read the network configuration").details(why.to_string())
    })?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= STDIN_MAX => Ok(bytes),
        Ok(_) | Err(_) => {
            let what = format!("the network configuration is larger than {STDIN_MAX} bytes");
            Err(Fault::new(Code::Io, what))
        }
    }
}

/// Refuses the namespace that the plugin itself runs in, before anything is done.
fn not_own(netns: &Path) -> Result<(), Fault> {
    let id = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    match id(netns) {
        Some(theirs) if Some(theirs) == id(Path::new("/proc/thread-self/ns/net")) => {
            let what = format!("CNI_NETNS {} is the host's own namespace", netns.display());
            let way_out = "CNI_NETNS_OVERRIDE=1 allows it";
            Err(Fault::new(Code::Namespace, what).details(way_out))
        }
        Some(_) | None => Ok(()),
    }
}
