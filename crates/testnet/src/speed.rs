//! How fast data moves between two namespaces: iperf3, one run at a time.
//!
//!     let speed = net.speed(&Flow { from: "ip netns exec red", to: "", address: "10.9.0.1", … });
//!
//! The server ends with its run, and after a limit in any case.  Never here: what is fast enough.

use std::process::{Command, Stdio};

use crate::Private;

/// What is to be moved.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// The words that run a command where one asks, `ip netns exec red`; none for the private
    /// network itself.
    pub from: &'a str,
    /// The same where the address is.
    pub to: &'a str,
    /// Where the other one listens.
    pub address: &'a str,
    /// The port that it listens on; runs at the same time need their own.
    pub port: u16,
    /// Seconds, or megabytes.
    pub length: Length,
    /// UDP at this many bits a second, instead of TCP.
    pub udp: Option<u64>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// So many seconds.
    Seconds(u16),
    /// So many millions of bytes, in a minute at most.
    Megabytes(u16),
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Bytes that arrived.
    pub bytes: f64,
    /// Millions of bits a second, as they arrived; those of the packets' content.
    pub mbits: f64,
}

impl Private {
    /// Runs one flow.
    ///
    /// # Errors
    /// What iperf3 says when nothing moves.
    pub fn speed(&self, flow: &Flow<'_>) -> Result<Speed, String> {
        /// Seconds within which each side has to end.
        const LIMIT: u16 = 60;
        let (from, to, port) = (flow.from, flow.to, flow.port);
        let length = match flow.length {
            Length::Seconds(n) => format!("--time {n}"),
            Length::Megabytes(n) => format!("--bytes {n}M"),
        };
        // Packets that fit every MTU in use; iperf3 would take that of the TCP connection.
        let udp =
            flow.udp.map_or(String::new(), |bits| format!("--udp --length 1300 --bitrate {bits}"));
        let script = format!(
            "{to} timeout {LIMIT} iperf3 --server --one-off --port {port} >/dev/null &
            server=$!
            n=0
            until {to} ss -Hltn 'sport = :{port}' | grep -q . || [ $n -gt 100 ]
            do n=$((n + 1)); sleep 0.05; done
            {from} timeout {LIMIT} iperf3 --client {} --port {port} --json --connect-timeout 5000 \\
                {length} {udp} || true
            kill $server || true
            wait",
            flow.address
        );
        let out = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output();
        let out = out.map_err(|error| error.to_string())?.stdout;
        read(&out).ok_or_else(|| String::from_utf8_lossy(&out).into_owned())
    }
}

fn read(json: &[u8]) -> Option<Speed> {
    let all: serde_json::Value = serde_json::from_slice(json).ok()?;
    let end = all.get("end")?;
    let server = end.get("sum_received").or_else(|| end.get("sum"))?;
    let (bytes, bits) = (server.get("bytes")?.as_f64()?, server.get("bits_per_second")?.as_f64()?);
    // What a UDP client says it sent: less what was lost on the way.
    let lost = end.get("sum").and_then(|sum| sum.get("lost_percent")?.as_f64());
    let lost = lost.filter(|_| end.get("sum_received").is_none()).unwrap_or(0.0) / 100.0;
    Some(Speed { bytes: bytes * (1.0 - lost), mbits: bits * (1.0 - lost) / 1e6 })
}
