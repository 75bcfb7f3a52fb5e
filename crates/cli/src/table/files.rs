//! `ropewalk up`, `down`, `plan`

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = FORM)]
pub(crate) struct File {
    /// The TOML file
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = FORM)]
pub(crate) struct PlanFile {
    /// The TOML file
    pub(crate) file: PathBuf,
    /// Print the shell script that does the same with ip, nft and sysctl
    #[arg(long)]
    pub(crate) sh: bool,
}

const FORM: &str = "\
The file:
  [network.web]
  subnet = [\"192.168.15.0/24\", \"fd00:15::/64\"]

  [[attach]]
  sandbox = \"new:red\"
  network = \"web\"
  publish = [\"8080:80\"]

Keys are the options of `network create` and `attach`.";
