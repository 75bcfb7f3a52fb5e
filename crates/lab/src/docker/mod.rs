//! The demo with a real container: Docker makes one without network, ropewalk gives it one.
//!
//!     image     made here, of one file: ropewalk, which serves the page
//!     container docker create --network none IMAGE /ropewalk lab serve 80
//!     then      ropewalk network create · attach docker:NAME --publish · a page is fetched
//!
//! This happens on the machine itself, for there the engine is. What is made is taken away by a
//! process of its own, which waits until this one ends, however that comes about.
//! Never here: the docker command; its socket is spoken to.

mod api;
mod tar;

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
#[expect(
    clippy::disallowed_types,
    reason = "what is made is taken away by a process of its own"
)]
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::error::{Doing, Error, system};
use crate::model::{Action, Expect, Probe};
use crate::name::{Name, Place};
use crate::play::{Event, judged, scripted};
use crate::probe::ask;
pub(crate) use api::Docker;

/// What the places of this part of the demo are called.
const HERE: &str = "machine";

/// How often the network is tried to be removed: a container that ends may still be on it.
const TRIES: u32 = 20;

/// How long Docker may go on with what it was asked for by a process that was killed.
const SETTLED: Duration = Duration::from_secs(3);

/// How long a page is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is made, all named by one number.
struct Names {
    container: String,
    image: String,
    network: String,
}

impl Names {
    fn new(number: u32) -> Self {
        Self {
            container: format!("ropewalk-demo-{number}"),
            image: format!("ropewalk-demo:{number}"),
            network: format!("demo-{number}"),
        }
    }
}

/// Shows it on this machine. Returns whether all went as expected.
pub(crate) fn show(
    docker: &Docker,
    ropewalk: &Path,
    scripts: bool,
    sink: &mut dyn FnMut(Event),
) -> Result<bool, Error> {
    let number = std::process::id();
    let names = Names::new(number);
    let name: Name = "docker".parse().map_err(Error::Name)?;
    let about = Some("a real container of the Docker engine on this machine".into());
    sink(Event::Lab { name, about, picture: String::new(), us: 0 });
    let cleaner = Cleaner::start(ropewalk, number)?;
    let good = steps(docker, ropewalk, &names, scripts, sink);
    cleaner.end()?;
    good
}

fn steps(
    docker: &Docker,
    ropewalk: &Path,
    names: &Names,
    scripts: bool,
    sink: &mut dyn FnMut(Event),
) -> Result<bool, Error> {
    let Names { container, network, .. } = names;
    sink(Event::Step {
        say: format!("Docker starts {container}, as `docker run --network none` does"),
    });
    let socket = system::<io::Error>(Doing::Start, container);
    make(docker, ropewalk, names).map_err(socket)?;
    sink(Event::Step { say: "ropewalk gives it one, and publishes a port".into() });
    let Some(subnet) = free_subnet(ropewalk, network, scripts, sink)? else { return Ok(false) };
    let ip = IpAddr::from(Ipv4Addr::from(u32::from(subnet) + 2));
    let port = free_port().map_err(system(Doing::Start, "a port"))?;
    let attach =
        format!("ropewalk attach docker:{container} {network} --ip {ip} --publish {port}:80");
    if !run(ropewalk, &attach, scripts, sink)? {
        return Ok(false);
    }
    let here: Place = HERE.parse().map_err(Error::Name)?;
    let mut good = true;
    for to in [SocketAddr::new(ip, 80), SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)] {
        let action = Action::Http(to);
        let probe = Probe { from: here.clone(), action, expect: Expect::Ok };
        good &= judged(&probe, ask(action, PATIENCE), sink);
    }
    Ok(good)
}

/// Makes the image and the container, and starts it.
fn make(docker: &Docker, ropewalk: &Path, names: &Names) -> io::Result<()> {
    docker.import(&names.image, &tar::of_program("ropewalk", &std::fs::read(ropewalk)?))?;
    let body = serde_json::json!({
        "Image": names.image,
        "Cmd": ["/ropewalk", "lab", "serve", "80"],
        "HostConfig": { "NetworkMode": "none" },
    });
    docker.create(&names.container, &body.to_string())?;
    docker.start(&names.container)
}

/// Makes the network on a subnet that this machine has nothing to do with, and returns the subnet.
fn free_subnet(
    ropewalk: &Path,
    network: &str,
    scripts: bool,
    sink: &mut dyn FnMut(Event),
) -> Result<Option<Ipv4Addr>, Error> {
    let mut said = Vec::new();
    for third in 0..=8 {
        let subnet = Ipv4Addr::new(10, 213, third * 31, 0);
        said.clear();
        let line = format!("ropewalk network create {network} --subnet {subnet}/24");
        if run(ropewalk, &line, scripts, &mut |event| said.push(event))? {
            said.into_iter().for_each(sink);
            return Ok(Some(subnet));
        }
    }
    said.into_iter().for_each(sink);
    Ok(None)
}

/// A port that nobody listens on.
fn free_port() -> io::Result<u16> {
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    Ok(TcpListener::bind(any)?.local_addr()?.port())
}

/// Runs a line that begins with `ropewalk`, without a shell.
fn run(
    ropewalk: &Path,
    line: &str,
    scripts: bool,
    sink: &mut dyn FnMut(Event),
) -> Result<bool, Error> {
    let on: Place = HERE.parse().map_err(Error::Name)?;
    if scripts && scripted(line) {
        let (text, _) = output(ropewalk, &format!("{line} --sh"))?;
        sink(Event::Script { on: on.clone(), text });
    }
    let begun = std::time::Instant::now();
    let (output, done) = output(ropewalk, line)?;
    let us = begun.elapsed().as_micros();
    sink(Event::Ran { on, line: line.into(), output, done, us });
    Ok(done)
}

#[expect(clippy::disallowed_types, reason = "the demo runs what people would type")]
fn output(ropewalk: &Path, line: &str) -> Result<(String, bool), Error> {
    let words = line.split_whitespace().skip(1);
    let output = Command::new(ropewalk).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(system(Doing::Start, ropewalk))?;
    let text = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8_lossy(&text).into_owned(), output.status.success()))
}

/// The process that takes away what is made. It is in a group of its own, so that a signal from
/// the terminal does not end it.
struct Cleaner(Child);

impl Cleaner {
    /// `ropewalk demo --clean-up NUMBER`, which calls [`clean_up`].
    #[expect(clippy::disallowed_types, reason = "it must outlive this process")]
    fn start(ropewalk: &Path, number: u32) -> Result<Self, Error> {
        let mut command = Command::new(ropewalk);
        command.args(["demo", "--clean-up", &number.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        command.spawn().map(Self).map_err(system(Doing::Start, ropewalk))
    }

    /// Has it done now.
    fn end(mut self) -> Result<(), Error> {
        if let Some(mut pipe) = self.0.stdin.take() {
            // One that has ended already is told apart by its status.
            let _told = pipe.write_all(b"done");
        }
        let status = self.0.wait().map_err(system(Doing::Stop, "the container"))?;
        let failed = || io::Error::other(status.to_string());
        if status.success() { Ok(()) } else { Err(system(Doing::Stop, "the container")(failed())) }
    }
}

/// What `ropewalk demo --clean-up NUMBER` does: waits until its standard input ends, then takes
/// away what the demo of this number has made with Docker.
///
/// # Errors
/// When something of it is left.
pub fn clean_up(number: u32, ropewalk: &Path) -> Result<(), Error> {
    let mut told = Vec::new();
    // However it ends, the demo has ended.
    let _ended = io::stdin().read_to_end(&mut told);
    let names = Names::new(number);
    take_away(&names, ropewalk)?;
    if told.is_empty() {
        // It was killed: Docker, and the last command it ran, may still be at it.
        std::thread::park_timeout(SETTLED);
        take_away(&names, ropewalk)?;
    }
    Ok(())
}

/// Takes away what there is of it.
fn take_away(names: &Names, ropewalk: &Path) -> Result<(), Error> {
    let Names { container, image, network } = names;
    let mut left = true;
    for _ in 0..TRIES {
        // What was not made by then is not there to be removed.
        let _detached = output(ropewalk, &format!("ropewalk detach docker:{container}"))?;
        let (_, removed) = output(ropewalk, &format!("ropewalk network rm {network}"))?;
        let (known, _) = output(ropewalk, "ropewalk network ls --json")?;
        left = !removed && known.contains(&format!("\"{network}\""));
        if !left {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let Some(docker) = Docker::find() else { return Ok(()) };
    docker.remove(container, image).map_err(system(Doing::Stop, container))?;
    let busy = || io::Error::from(io::ErrorKind::ResourceBusy);
    if left { Err(system(Doing::Remove, network)(busy())) } else { Ok(()) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use ropewalk_testnet::Private;
    use ropewalk_testnet::engines::Engine;

    use super::*;

    #[test]
    fn docker_runs_what_is_made_and_forgets_it() {
        let net = Private::enter();
        let engine = Engine::docker(&net);
        let docker = Docker::at(engine.socket());
        let names = Names::new(7);
        make(&docker, "/bin/busybox".as_ref(), &names).unwrap();
        let mode = "docker inspect --format '{{.HostConfig.NetworkMode}}' ropewalk-demo-7";
        assert_eq!(engine.sh(mode), "none\n");
        assert_eq!(engine.sh("docker images -q ropewalk-demo").lines().count(), 1);
        let taken = make(&docker, "/bin/busybox".as_ref(), &names).unwrap_err().to_string();
        assert!(taken.contains("already in use"), "{taken}");
        for _ in 0..2 {
            docker.remove(&names.container, &names.image).unwrap();
            assert_eq!(engine.sh("docker ps -aq"), "");
            assert_eq!(engine.sh("docker images -q ropewalk-demo"), "");
        }
    }
}
