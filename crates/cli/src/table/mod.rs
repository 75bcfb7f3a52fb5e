//! The command table: every command, its arguments and its help, said once.
//!
//!     table ──▶ parsing · `ropewalk help` · completions · man pages · docs/reference/cli.md
//!
//! Only the part of the table that the command line names is built (`defer`), as parsing is on the
//! way of every attach.  A doc comment is a help text; the arguments of a command have none as a
//! whole, as it would stand in the place of the command's.  Never here: what the commands do.

mod attachment;
mod cluster;
mod files;
mod lab;
mod network;
mod values;
mod why;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ropewalk_spec::NetworkName;

pub(crate) use attachment::{Announce, Attach, Detach, Opened, Ports};
pub(crate) use cluster::{
    ClusterCreate, ClusterName, ClusterPs, ClusterVerb, HostDrain, HostName, HostVerb, Join,
};
pub(crate) use files::{File, PlanFile};
pub(crate) use lab::{DemoArgs, Exec, LabVerb};
pub(crate) use network::{Create, Name, NetworkVerb};
pub(crate) use values::{Taken, Unfit};
pub(crate) use why::{Capture, Explain, Fix, Snapshot, Target, Undo, Why};

/// Builds, explains, verifies and removes container networks on Linux
#[derive(Debug, Parser)]
#[command(
    name = "ropewalk",
    version,
    max_term_width = 80,
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
pub(crate) struct Cli {
    /// Print JSON: the result on standard output, an error on standard error
    #[arg(long, global = true, display_order = 100)]
    pub(crate) json: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const AFTER_HELP: &str = "\
Start here:
  ropewalk network create web --subnet 192.168.15.0/24
  ropewalk attach new:red web --publish 8080:80
  ropewalk ps

Exit status: 0 done, 1 refused, 2 wrong usage, 3 check found something
Environment: ROPEWALK_STATE (/run/ropewalk), ROPEWALK_CONFIG (/etc/ropewalk)";

/// The commands.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Verb {
    /// Make, list, show and remove networks
    #[command(subcommand)]
    Network(NetworkVerb),
    /// Say that a network which was made with --confirm-within may stay
    Confirm(Name),
    /// Take a move of a NIC back unless it ends well: started by ropewalk itself
    #[command(hide = true)]
    Guard(Guard),
    /// Put a sandbox on a network
    Attach(Attach),
    /// Take a sandbox off a network, or off all of them
    Detach(Detach),
    /// Lead ports of the host to a sandbox
    Publish(Opened),
    /// No longer lead ports of the host to a sandbox
    Unpublish(Ports),
    /// Tell the LAN where the addresses of flat networks are
    ///
    /// Attaching does so by itself; this is for a switch that was exchanged, or that forgot.
    Announce(Announce),
    /// Make what a file declares
    Up(File),
    /// Take away what a file declares
    Down(File),
    /// Show what `up` would do
    Plan(PlanFile),
    /// List every attachment
    Ps(Ps),
    /// Compare what ropewalk made with what is there
    ///
    /// The exit status is 3 when something is not as it was made.
    Check,
    /// Put right what `check` finds
    Repair,
    /// Clear away what died: sandboxes that are gone, work that was cut short
    Gc,
    /// Take away everything that ropewalk ever made on this host
    Purge(Purge),
    /// Print the routes that other routers need to reach a network through this host
    Routes(Routes),
    /// Stay, and put right what others break: the one long-running process of a host
    ///
    /// It listens to the kernel and repairs what belongs to ropewalk within a second of its going,
    /// and looks at everything every minute, or as `--every` says. Attaching and detaching never
    /// need it. It says each thing it did in a line on standard error; with --json, as a line of
    /// JSON on standard output. It ends at SIGTERM or SIGINT. For systemd: dist/systemd/ropewalk-agent.service.
    Agent(Agent),
    /// Have the agent look at everything now, and list the cluster's store anew
    ///
    /// It ends when the agent has. Nothing needs this: it is for those who want to be sure.
    Sync,
    /// Make this host a member of the cluster whose store is at STORE
    ///
    /// The agent then claims blocks of the cluster's networks, makes this host's part of them, and
    /// keeps the ways to the other hosts. Attaching to them needs neither agent nor store.
    Join(Join),
    /// Take this host out of its cluster, when no sandbox is on a network of it
    Leave,
    /// Show the cluster that this host is a member of, add and remove its networks
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// List the hosts of the cluster, take one out of it
    #[command(subcommand)]
    Host(HostVerb),
    /// Become the CNI plugins of a folder: copy the binary there, link every plugin to it
    ///
    /// What was there is saved beside. Configuration files stay as they are.
    Install(Install),
    /// Give a folder of CNI plugins back as it was
    Uninstall(Install),
    /// Say why a packet does not arrive, and what repairs it
    ///
    /// The packet and its answer are walked through every namespace. Then it is sent, three times at
    /// most, and seen on its way, unless with --no-live. The exit status is 3 when it does not arrive.
    Why(Why),
    /// Explain a cause: what it is, how it looks, how to see it by hand, how to repair it
    Explain(Explain),
    /// Say what repairs it when a packet does not arrive, and do it with --apply
    ///
    /// The question is that of `ropewalk why`. A repair is written down and changed back by
    /// `ropewalk undo`. Nothing is flushed. What ropewalk does not change by itself, as a service
    /// that is not started, is printed to be run by hand; then nothing is changed. The exit status
    /// is 3 when it does not get through.
    Fix(Fix),
    /// Change back what `fix --apply` changed
    ///
    /// What somebody else changed since stays as it is.
    Undo(Undo),
    /// Write the packets of a flow, at every hop of their way, into one file for Wireshark
    ///
    /// It sends nothing: it listens in every namespace of the way. The file (pcapng) has an interface
    /// for each link, the same number for the same packet at all of them, behind NAT and inside
    /// tunnels too, and says what happened to it there.
    Capture(Capture),
    /// Print all that was found in every namespace as JSON, for `why --snapshot`
    Snapshot(Snapshot),
    /// Build, enter, list and take away labs: hosts and LANs as namespaces
    #[command(subcommand)]
    Lab(LabVerb),
    /// Show it all: build the tutorials' labs, probe them, take them away again
    ///
    /// It takes about ten seconds and leaves nothing behind. The exit status is 1 when something
    /// is not as it should be.
    Demo(DemoArgs),
    /// Print completions for a shell
    ///
    /// For bash: `ropewalk completions bash > /etc/bash_completion.d/ropewalk`.
    Completions(Completions),
    /// Print the man page, or write all of them to a folder
    Man(Man),
    /// Explain a command or the code of an error
    Help(Help),
}

#[derive(Args, Debug)]
pub(crate) struct Guard {
    /// The network
    #[arg(value_parser = values::network)]
    pub(crate) network: NetworkName,
    /// When its making began
    pub(crate) begun: u64,
}

#[derive(Args, Debug)]
pub(crate) struct Ps {
    /// Show every interface of every network namespace, ropewalk's or not
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Purge {
    /// Do it; without this, only say what would go
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("speaker").args(["frr", "bird"]).requires("router")))]
#[command(after_help = "\
Examples:
  ropewalk routes lan
  ropewalk routes lan --bird --router 192.168.1.1 --as 65001 --router-as 65000")]
pub(crate) struct Routes {
    /// The network
    #[arg(value_parser = values::network)]
    pub(crate) network: NetworkName,
    /// A configuration of FRR instead, with which this host tells a router of its blocks by BGP
    #[arg(long)]
    pub(crate) frr: bool,
    /// The same for BIRD 2
    #[arg(long)]
    pub(crate) bird: bool,
    /// The router that is told, one address of each family
    #[arg(long, value_name = "ADDRESS", requires = "speaker")]
    pub(crate) router: Vec<std::net::IpAddr>,
    /// The number of this host's autonomous system
    #[arg(long = "as", value_name = "NUMBER", default_value_t = 65000)]
    pub(crate) own_as: u32,
    /// That of the router's, else the same
    #[arg(long, value_name = "NUMBER")]
    pub(crate) router_as: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct Agent {
    /// How often to look at everything, whatever the kernel told of
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) every: u64,
    /// Tell figures to Prometheus there, too: `GET /metrics`, as on agent.sock in the state folder
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
}

#[derive(Args, Debug)]
pub(crate) struct Install {
    /// What to be
    pub(crate) what: Role,
    /// The folder
    #[arg(long, default_value = ropewalk_cni::DIR)]
    pub(crate) dir: PathBuf,
}

/// What the binary can be beside itself.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// The plugins by which containerd, CRI-O, nerdctl and podman 4 attach containers
    Cni,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// A shell that completions can be printed for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The folder to write to
    pub(crate) dir: Option<PathBuf>,
    /// Print the reference of all commands and codes as Markdown
    #[arg(long, hide = true, conflicts_with = "dir")]
    pub(crate) markdown: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Help {
    /// A command (`network create`), a code (`addr-taken`), or `codes` to list them
    #[arg(value_name = "COMMAND|CODE")]
    pub(crate) topic: Vec<String>,
}
