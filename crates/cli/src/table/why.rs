//! `ropewalk why` and `ropewalk snapshot`

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk why red 198.51.100.8
  ropewalk why netns:red 192.168.15.3:80
  ropewalk why red 192.168.15.3 --proto udp --dport 53
  ropewalk why --query question.json --json")]
pub(crate) struct Why {
    /// The sandbox that the packet begins in: NAME, netns:NAME, pid:N, `host`
    #[arg(required_unless_present = "query")]
    pub(crate) src: Option<String>,
    /// Where it goes: ADDRESS or ADDRESS:PORT
    #[arg(value_parser = target, required_unless_present = "query")]
    pub(crate) dst: Option<Target>,
    /// The protocol: icmp, tcp or udp; tcp where there is a port
    #[arg(long)]
    pub(crate) proto: Option<String>,
    /// Destination port
    #[arg(long)]
    pub(crate) dport: Option<u16>,
    /// Source port
    #[arg(long)]
    pub(crate) sport: Option<u16>,
    /// Source address
    #[arg(long)]
    pub(crate) saddr: Option<IpAddr>,
    /// Bytes of payload
    #[arg(long)]
    pub(crate) size: Option<u32>,
    /// The packet must not be broken into fragments
    #[arg(long)]
    pub(crate) df: bool,
    /// Look into these namespaces alone; everything else is a foreign machine
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) visible: Vec<String>,
    /// The whole question as JSON: src, dst, proto, dport, sport, saddr, size, df, family, visible
    #[arg(long, value_name = "FILE", conflicts_with_all = ["src", "dst"])]
    pub(crate) query: Option<PathBuf>,
    /// Ask a snapshot instead of this machine; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Send nothing: predict only
    #[arg(long)]
    pub(crate) no_live: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Snapshot {
    /// The namespaces to read; all of them where there is none
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// An address, and the port that follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) ip: IpAddr,
    pub(crate) port: Option<u16>,
}

fn target(text: &str) -> Result<Target, String> {
    if let Ok(ip) = text.parse() {
        return Ok(Target { ip, port: None });
    }
    let wrong = || format!("{text:?} is no address and no ADDRESS:PORT");
    let socket: std::net::SocketAddr = text.parse().map_err(|_| wrong())?;
    Ok(Target { ip: socket.ip(), port: Some(socket.port()) })
}
