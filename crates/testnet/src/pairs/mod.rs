//! Everybody with everybody: each topology in a lab, all pairs of hosts and sandboxes.
//!
//!     far (a host of the LAN) · h1 · h1/red · h1/blue (same host) · h2 · h2/green (other host)
//!     each to each: ping over IPv4 and IPv6, and data by TCP over both
//!
//! It calls the binary, as people do.  Never here: what is fast enough.

mod table;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Private;
use crate::speed::{Flow, Length};

pub use table::{TOPOLOGIES, Takes, Topology};

/// What the virtual machine must have for a lab.
pub const MODULES: &[&str] = &["overlay"];
/// The same of programs.
pub const PROGRAMS: &[&str] = &["/usr/bin/iperf3", "/usr/bin/ss"];

/// The program that joins two taps.
const CABLE: &str = include_str!("cable.py");

/// One way of one pair.
#[derive(Clone, Debug)]
pub struct Way {
    /// Who asks.
    pub from: &'static str,
    /// Who answers.
    pub to: &'static str,
    /// What the second of two pings took over IPv4 and IPv6, in milliseconds.
    pub ms: [f64; 2],
    /// Millions of bits a second over IPv4 and IPv6; 0 where no data was moved.
    pub mbits: [f64; 2],
}

/// Over which families data is moved. Both are pinged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Families {
    V4,
    V6,
    Both,
}

/// A topology that is built, in a private network of its own; gone when dropped.
#[derive(Debug)]
pub struct Stage {
    net: Private,
    program: PathBuf,
    topology: Topology,
    cable: Option<Child>,
}

impl Stage {
    /// Builds the lab and the network in it, with the binary `program`. It moves the calling thread
    /// into a private network.
    ///
    /// # Panics
    /// With what was printed, when a command fails.
    #[must_use]
    pub fn build(program: &Path, topology: &Topology) -> Self {
        let net = Private::enter();
        net.sh("mkdir -p /run/ropewalk-lab; mount -t tmpfs none /run/ropewalk-lab");
        let mut stage = Self { net, program: program.to_owned(), topology: *topology, cable: None };
        let file = format!("/run/ropewalk-lab/{}.toml", topology.name);
        #[expect(clippy::expect_used, reason = "a test without its lab has failed")]
        std::fs::write(&file, lab(topology)).expect("a lab file");
        stage.ropewalk(&format!("lab up {file}"));
        stage.network("h1", topology.h1);
        for (name, ips) in [("red", topology.red), ("blue", topology.blue)] {
            if ips != table::NOBODY {
                stage.attach("h1", name, ips);
            }
        }
        if let Some(options) = topology.h2 {
            stage.network("h2", options);
            stage.attach("h2", "green", topology.green);
        }
        if topology.takes == Takes::Cable {
            stage.lay_cable();
        }
        stage
    }

    /// Joins the taps of red and blue.
    #[expect(clippy::expect_used, reason = "a test without its lab has failed")]
    fn lay_cable(&mut self) {
        let mut cable = Command::new(&self.program)
            .args(["lab", "exec", "h1", "--", "python3", "-c", CABLE, "red", "blue"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a cable");
        let out = cable.stdout.take().expect("its output");
        self.cable = Some(cable);
        let mut said = String::new();
        BufReader::new(out).read_line(&mut said).expect("the cable speaks");
        assert_eq!(said, "joined\n", "the cable");
    }

    fn network(&self, host: &str, options: &str) {
        self.ropewalk(&format!("lab exec {host} -- ropewalk network create net {options}"));
    }

    fn attach(&self, host: &str, name: &str, [v4, v6]: [&str; 2]) {
        let attach = format!("ropewalk attach netns:{name} net --ip {v4} --ip {v6}");
        self.ropewalk(&format!("lab exec {host} -- {attach}"));
    }

    /// The places, with their addresses.
    fn places(&self) -> Vec<(&'static str, [&'static str; 2])> {
        let mut all = vec![
            ("far", ["10.0.0.2", "fd00:aa::2"]),
            ("h1", ["10.0.0.11", "fd00:aa::11"]),
            ("h2", ["10.0.0.12", "fd00:aa::12"]),
            ("h1/red", self.topology.red),
            ("h1/blue", self.topology.blue),
        ];
        all.extend(self.topology.h2.map(|_| ("h2/green", self.topology.green)));
        all.retain(|(_, addresses)| *addresses != table::NOBODY);
        all
    }

    /// Each to each, but those that are closed and hosts of the lab among themselves.
    #[must_use]
    pub fn ways(&self) -> Vec<[(&'static str, [&'static str; 2]); 2]> {
        let places = self.places();
        let all = places.iter().flat_map(|from| places.iter().map(|to| [*from, *to]));
        let sandbox = |name: &str| name.contains('/');
        all.filter(|[(from, _), (to, _)]| {
            from != to
                && (sandbox(from) || sandbox(to))
                && !self.topology.closed.contains(&(*from, *to))
        })
        .map(|[from, (to, addresses)]| [from, (to, self.own_link(from.0, to).unwrap_or(addresses))])
        .collect()
    }

    /// By what a host is reached from its own sandboxes, where it has a link of its own for them: by
    /// IPv6, a link answers for its own addresses alone.
    fn own_link(&self, from: &str, to: &str) -> Option<[&'static str; 2]> {
        let inside = from.split_once('/').is_some_and(|(host, _)| host == to);
        let link = table::HOST_LINKS.iter().find(|(host, _)| *host == to)?;
        (inside && self.topology.h1.contains("--host-link")).then_some(link.1)
    }

    /// Tries one way: pings, and data of `megabytes` over `families`.
    ///
    /// # Errors
    /// What was tried, and what came of it.
    pub fn go(
        &self,
        [(from, _), (to, addresses)]: [(&'static str, [&'static str; 2]); 2],
        megabytes: u16,
        families: Families,
    ) -> Result<Way, String> {
        let mut way = Way { from, to, ms: [0.0; 2], mbits: [0.0; 2] };
        let inside = |place: &str| format!("{} lab exec {place} --", self.program.display());
        let slots = way.ms.iter_mut().zip(way.mbits.iter_mut()).zip([Families::V6, Families::V4]);
        for (address, ((ms, mbits), other)) in addresses.into_iter().zip(slots) {
            let name = self.topology.name;
            let told = |error| format!("{name}: {from} to {to} at {address}: {error}");
            *ms = self.ping(&inside(from), address).map_err(told)?;
            if families == other {
                continue;
            }
            let flow = Flow {
                from: &inside(from),
                to: &inside(to),
                address,
                port: 5201,
                length: Length::Megabytes(megabytes),
                udp: None,
            };
            *mbits = self.net.speed(&flow).map_err(told)?.mbits;
        }
        Ok(way)
    }

    fn ping(&self, from: &str, address: &str) -> Result<f64, String> {
        let (done, out) = self.net.try_sh(&format!("{from} ping -n -c 2 -i 0.2 -W 5 {address}"));
        let last = out.rsplit("time=").next().and_then(|rest| rest.split(' ').next());
        let ms = last.and_then(|ms| ms.parse().ok());
        ms.filter(|_| done).ok_or(out)
    }

    fn ropewalk(&self, line: &str) {
        self.net.sh(&format!("{} {line}", self.program.display()));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(cable) = &mut self.cable {
            let _killed = cable.kill();
            let _status = cable.wait();
        }
        let (_, _) = self.net.try_sh(&format!("{} lab down", self.program.display()));
    }
}

/// The lab file.
fn lab(topology: &Topology) -> String {
    let mut text = format!(
        "name = \"{}\"\n[lan.lan]\nsubnet = [\"10.0.0.0/24\", \"fd00:aa::/64\"]\n",
        topology.name
    );
    for (host, last, containers) in
        [("far", 2, &[][..]), ("h1", 11, &["red", "blue"]), ("h2", 12, &["green"])]
    {
        text += &format!(
            "[host.{host}]\nnic.eth0 = {{ lan = \"lan\", ip = [\"10.0.0.{last}\", \"fd00:aa::{last}\"] }}\n"
        );
        if host != "far" && topology.takes == Takes::SpareCard {
            text += "nic.eth1 = { lan = \"lan\", ip = [] }\n";
        }
        if host != "far" {
            text += "gateway = [\"10.0.0.2\", \"fd00:aa::2\"]\n";
        }
        let routes = topology.routes.iter().filter(|(at, _, _)| *at == host);
        let routes: Vec<String> =
            routes.map(|(_, net, via)| format!("\"{net}\" = \"{via}\"")).collect();
        text += &format!("routes = {{ {} }}\n", routes.join(", "));
        containers.iter().for_each(|name| text += &format!("container.{name} = {{}}\n"));
    }
    text
}
