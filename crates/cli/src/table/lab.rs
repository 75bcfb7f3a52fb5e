//! `ropewalk lab …` and `ropewalk demo`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ropewalk_lab::{Name, Place};

use super::values::named;

/// What to do with labs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum LabVerb {
    /// Build the lab that a file describes; it stays up without any process
    Up(LabFile),
    /// Run a command on a host of a lab, or in a container on it
    Exec(Exec),
    /// List the labs that are up
    Ls,
    /// Take a lab away, or all of them
    Down(Down),
    /// Serve a page that tells visitors who they are
    #[command(hide = true)]
    Serve(Serve),
}

#[derive(Args, Debug)]
pub(crate) struct LabFile {
    /// The TOML file; docs/tutorials/README.md says what can stand in it
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk lab exec h1 -- ip address
  ropewalk lab exec h1/red -- ping -c1 203.0.113.1")]
pub(crate) struct Exec {
    /// The lab, where several have such a host
    #[arg(long, value_parser = named::<Name>)]
    pub(crate) lab: Option<Name>,
    /// HOST, or HOST/CONTAINER
    #[arg(value_name = "HOST", value_parser = named::<Place>)]
    pub(crate) place: Place,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Down {
    /// The lab, else all
    #[arg(value_parser = named::<Name>)]
    pub(crate) name: Option<Name>,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The TCP port
    pub(crate) port: u16,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Show what each command does as a script of ip, nft and sysctl, too
    #[arg(long)]
    pub(crate) sh: bool,
    /// Leave out the real container, which is shown where a Docker engine is running
    #[arg(long)]
    pub(crate) no_docker: bool,
    /// Take away what an interrupted demo made with Docker
    #[arg(long, hide = true, value_name = "NUMBER")]
    pub(crate) clean_up: Option<u32>,
}
