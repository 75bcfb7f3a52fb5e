//! Labs in real namespaces: each test has a network and a mount namespace for itself.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "a test may stop at the first surprise, and start processes"
)]

mod crash;
mod hosts;
mod keep;
mod reach;
mod tutorials;

use std::path::PathBuf;

use ropewalk_lab::{Lab, Name, Place, Root, Standing};
use ropewalk_testnet::Private;

/// A router between two LANs, a host with two containers.
const LAB: &str = r#"
name = "pair"
lan.wan.subnet = ["203.0.113.0/24", "2001:db8::/64"]
lan.office.subnet = ["192.168.2.0/24", "fd00:2::/64"]
[host.outside]
nic.eth0 = { lan = "wan", ip = ["203.0.113.10", "2001:db8::10"] }
routes = { "192.168.2.0/24" = "203.0.113.1", "fd00:2::/64" = "2001:db8::1" }
[host.router]
nic.eth0 = { lan = "wan", ip = ["203.0.113.1", "2001:db8::1"] }
nic.eth1 = { lan = "office", ip = ["192.168.2.1", "fd00:2::1"] }
forward = true
[host.h1]
nic.eth0 = { lan = "office", ip = ["192.168.2.10", "fd00:2::10"] }
gateway = ["192.168.2.1", "fd00:2::1"]
process = "sleep 1000"
container.red = {}
container.app = { named = false, process = "sleep 1000" }
"#;

/// A folder to keep labs in, which only the calling test has.
struct Folder {
    path: PathBuf,
    _net: Private,
}

impl Folder {
    fn new() -> Self {
        let net = Private::enter();
        let thread = format!("{:?}", std::thread::current().id());
        let name = format!("ropewalk-lab-{}-{thread}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self { path, _net: net }
    }

    fn root(&self) -> Root {
        Root::new(&self.path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let downed = self.root().down(None);
        let removed = std::fs::remove_dir(&self.path);
        if !std::thread::panicking() {
            downed.unwrap();
            removed.unwrap();
        }
    }
}

fn stand(text: &str) -> Standing {
    Standing::stand(Lab::parse("lab.toml", text).unwrap(), "/bin/false".as_ref()).unwrap()
}

fn at(place: &str) -> Place {
    place.parse().unwrap()
}

fn named(name: &str) -> Name {
    name.parse().unwrap()
}

/// What a shell script prints in the namespaces of the calling thread.
fn sh(script: &str) -> String {
    let out = std::process::Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// The mounts that the test itself sees.
fn mounts() -> String {
    std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}
