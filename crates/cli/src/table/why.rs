//! `ropewalk why`, `fix`, `undo` and `snapshot`

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ropewalk_spec::NetworkName;

use crate::show::Color;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk why red
  ropewalk why red 198.51.100.8
  ropewalk why red blue:80
  ropewalk why red host:8080
  ropewalk why netns:red 192.168.15.3:80
  ropewalk why red 192.168.15.3 --proto udp --dport 53
  ropewalk why --query question.json --json
  ropewalk why a red@b --snapshot a.json --snapshot b.json
  ropewalk why --all web")]
pub(crate) struct Why {
    /// The sandbox that the packet begins in: NAME (a namespace, a container, a command), netns:NAME,
    /// docker:NAME, podman:NAME, pid:N, `host`
    #[arg(required_unless_present_any = ["query", "all"])]
    pub(crate) src: Option<String>,
    /// Where it goes: ADDRESS, ADDRESS:PORT, a sandbox, a sandbox's PORT; `host:PORT` or `:PORT` is a
    /// published port; without, the internet: an address kept for documentation, that takes the
    /// default route and need not answer
    #[arg(value_parser = target)]
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
    /// Ask a snapshot instead of this machine; `-` is standard input; several are several hosts
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Vec<PathBuf>,
    /// Ask for every pair of sandboxes on this network
    #[arg(long, value_name = "NETWORK", value_parser = super::values::network)]
    #[arg(conflicts_with_all = ["src", "dst", "query", "snapshot"])]
    pub(crate) all: Option<NetworkName>,
    /// Send the packet, and see where it goes: so it is anyway, unless a snapshot is asked
    #[arg(long, conflicts_with_all = ["no_live", "snapshot"])]
    pub(crate) live: bool,
    /// Send nothing: predict only
    #[arg(long)]
    pub(crate) no_live: bool,
    /// Draw all namespaces, links and bridges with the way laid over them, as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// The same in a page of HTML, with the hops and the repair
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Colours: on a terminal unless NO_COLOR is set, always, or never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    pub(crate) color: Color,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk fix red 198.51.100.8
  ropewalk fix red 198.51.100.8 --apply
  ropewalk undo")]
pub(crate) struct Fix {
    #[command(flatten)]
    pub(crate) why: Why,
    /// Do it; without this, only say what would be done
    #[arg(long, conflicts_with = "snapshot")]
    pub(crate) apply: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Undo {
    /// The number of the repair; the last one where there is none
    #[arg(value_name = "NUMBER")]
    pub(crate) id: Option<u32>,
    /// List the repairs that can be undone
    #[arg(long, conflicts_with = "id")]
    pub(crate) list: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk capture red 198.51.100.8 -w f.pcapng --for 10s
  ropewalk capture red blue:80 -w - | wireshark -k -i -
  ropewalk capture netns:lan 10.0.0.1:8080 -w f.pcapng --count 20")]
pub(crate) struct Capture {
    /// The sandbox that the packets begin in: NAME, netns:NAME, pid:N, `host`
    pub(crate) src: String,
    /// Where they go: ADDRESS, ADDRESS:PORT, a sandbox; `host:PORT` is a published port
    #[arg(value_parser = target)]
    pub(crate) dst: Target,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) write: PathBuf,
    /// End after this time: 10s, 5m; else when it is interrupted
    #[arg(long = "for", value_name = "TIME", value_parser = super::values::time)]
    pub(crate) time: Option<Duration>,
    /// End after so many packets, each at all its hops
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// The protocol alone: icmp, tcp or udp; tcp where there is a port, all where there is none
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
    /// Listen in these namespaces alone
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) visible: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Snapshot {
    /// The namespaces to read; all of them where there is none
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// An address or a sandbox, and the port that follows it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

fn target(text: &str) -> Result<Target, String> {
    let whole = || Target { host: text.to_owned(), port: None };
    if text.is_empty() {
        return Err("an address, ADDRESS:PORT, or a sandbox".to_owned());
    }
    if text.parse::<IpAddr>().is_ok() || text.starts_with("pid:") {
        return Ok(whole());
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Ok(Target { host: socket.ip().to_string(), port: Some(socket.port()) });
    }
    let named = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    Ok(named.map_or_else(whole, |(host, port)| Target { host: host.to_owned(), port: Some(port) }))
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk explain
  ropewalk explain RP_FILTER")]
pub(crate) struct Explain {
    /// The code of a cause; without, all are listed
    pub(crate) code: Option<String>,
    /// Print all pages as Markdown
    #[arg(long, hide = true, conflicts_with = "code")]
    pub(crate) markdown: bool,
}
