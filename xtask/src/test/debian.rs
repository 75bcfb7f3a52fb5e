//! Debian packages that the tests call: real engines, and the tools they compare ropewalk with.
//!
//!     dpkg-query -W …   &&   apt-get update   &&   apt-get install -y --no-install-recommends MISSING
//!
//! Nothing is done when nothing is missing. A package manager that is busy is waited for.

use std::process::Command;
use std::time::Duration;

use super::call;
use crate::Fault;

/// What the tests need, and nothing the product needs.
const PACKAGES: &[&str] = &[
    "aardvark-dns",
    "arptables",
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "dbus",
    "dnsmasq-base",
    "docker.io",
    "etcd-server",
    "firewalld",
    "iperf3",
    "iproute2",
    "iptables",
    "iputils-ping",
    "linux-libc-dev",
    "netavark",
    "netcat-openbsd",
    "nftables",
    "openssl",
    "podman",
    "procps",
    "qemu-system-x86",
    "runc",
    "systemd",
    "tcpdump",
    "tshark",
    "ufw",
];

/// How often a busy package manager is tried, and how long it is left alone between.
const TRIES: u32 = 12;
const PAUSE: Duration = Duration::from_secs(10);

/// Installs the packages that are missing.
pub(crate) fn ensure() -> Result<(), Fault> {
    let listed = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
        .args(PACKAGES)
        .output()
        .map_err(|error| {
            format!("cannot ask dpkg-query what is installed (is this Debian?): {error}")
        })?;
    let missing = missing(&String::from_utf8_lossy(&listed.stdout));
    if missing.is_empty() {
        println!("present: {}", PACKAGES.join(" "));
        return Ok(());
    }
    println!("installing from Debian: {}", missing.join(" "));
    patiently(|| apt(&["update"]))?;
    let mut words = vec!["install", "--yes", "--no-install-recommends"];
    words.extend(&missing);
    patiently(|| apt(&words))
}

/// The wanted packages that a dpkg listing of `STATUS PACKAGE` lines does not call installed.
fn missing(listing: &str) -> Vec<&'static str> {
    let installed: Vec<&str> =
        listing.lines().filter_map(|line| line.strip_prefix("installed ")).map(str::trim).collect();
    PACKAGES.iter().copied().filter(|package| !installed.contains(package)).collect()
}

fn apt(words: &[&str]) -> Result<(), Fault> {
    let mut command = Command::new("apt-get");
    command.args(["--quiet", "--option", "DPkg::Lock::Timeout=120"]).args(words);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    call(&mut command)
}

/// Tries again: `apt-get update` gives up at once when another one holds the lists.
fn patiently(step: impl Fn() -> Result<(), Fault>) -> Result<(), Fault> {
    for attempt in 1..TRIES {
        match step() {
            Ok(()) => return Ok(()),
            Err(fault) => println!("{fault}; attempt {attempt} of {TRIES}, the next in {PAUSE:?}"),
        }
        std::thread::sleep(PAUSE);
    }
    step()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let all: String = PACKAGES.iter().map(|package| format!("installed {package}\n")).collect();
        assert!(missing(&all).is_empty());
        let removed = all.replace("installed runc", "config-files runc");
        assert_eq!(missing(&removed), ["runc"]);
        assert_eq!(missing(""), PACKAGES);
    }
}
