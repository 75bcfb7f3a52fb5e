//! The host that one check has for itself, and its containers.
//!
//!     /run /var/lib/cni /etc/cni empty · lo up · no forwarding · container c1 = namespace /run/netns/c1
//!
//! Never here: calling plugins (`net`), reading the kernel (`look`).

use std::fs;
use std::path::{Path, PathBuf};

use ropewalk_testnet::Private;
use rustix::mount::{MountFlags, mount};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::check::{Held, Miss, wrong};

/// Folders that each host has for itself, empty.
const OWN: &[&str] = &["/run", "/var/lib/cni", "/etc/cni"];

/// A host, and the plugins that are checked on it.
#[derive(Debug)]
pub struct Host {
    net: Private,
    /// Where the plugins are.
    pub(crate) plugins: PathBuf,
    /// The one that the check is about.
    pub(crate) plugin: String,
}

impl Host {
    /// Moves the calling thread to a new host.
    ///
    /// # Errors
    /// When its folders cannot be had.
    pub fn enter(plugins: &Path, plugin: &str) -> Result<Self, Miss> {
        let net = Private::enter();
        let host = Self { net, plugins: plugins.to_owned(), plugin: plugin.to_owned() };
        for dir in OWN {
            host.folder(dir)?;
            if let Err(why) = mount("tmpfs", *dir, "tmpfs", MountFlags::empty(), c"mode=755") {
                return wrong(dir, "a tmpfs", why);
            }
        }
        ["/run/netns", "/run/lock", "/run/w", "/run/ropewalk"]
            .iter()
            .try_for_each(|dir| host.folder(dir))?;
        host.write("/proc/sys/net/ipv4/ip_forward", "0")?;
        Ok(host)
    }

    /// Runs a script on the host; it must succeed. Returns what it prints.
    pub(crate) fn sh(&self, script: &str) -> Result<String, Miss> {
        match self.net.try_sh(script) {
            (true, out) => Ok(out),
            (false, out) => wrong(script, "it succeeds", out),
        }
    }

    /// Whether a script succeeds on the host.
    pub(crate) fn does(&self, script: &str) -> bool {
        self.net.try_sh(script).0
    }

    /// Runs a script in a container; it must succeed.
    pub(crate) fn sh_in(&self, container: &str, script: &str) -> Result<String, Miss> {
        self.within(container, || self.sh(script))?
    }

    /// Does something on a thread of its own, which is in the container; on the host if it has no
    /// name.
    pub(crate) fn within<T: Send>(
        &self,
        container: &str,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Miss> {
        let there = || {
            enter(container)?;
            Ok(work())
        };
        let done = std::thread::scope(|scope| scope.spawn(there).join());
        done.unwrap_or_else(|_| wrong(container, "a thread in it", "it panicked"))
    }

    /// A container, unless it is there.
    pub(crate) fn container(&self, name: &str) -> Held {
        if Path::new(&netns(name)).exists() {
            return Ok(());
        }
        self.sh(&format!("ip netns add {name}")).map(drop)
    }

    /// A machine outside, on the link `up0`, which has the default route of both families:
    /// 192.0.2.1 and fd00:c0::1 are the host's, 192.0.2.9 and fd00:c0::9 the machine's.
    pub(crate) fn lan(&self) -> Held {
        self.sh("ip netns add lan
            ip link add up0 type veth peer name eth0 netns lan
            ip addr add 192.0.2.1/24 dev up0
            ip addr add fd00:c0::1/64 dev up0 nodad
            ip link set up0 up
            ip -n lan link set lo up
            ip -n lan addr add 192.0.2.9/24 dev eth0
            ip -n lan addr add fd00:c0::9/64 dev eth0 nodad
            ip -n lan link set eth0 up
            ip route add default via 192.0.2.9
            ip -6 route add default via fd00:c0::9
            ip -n lan route add default via 192.0.2.1
            ip -n lan -6 route add default via fd00:c0::1")
            .map(drop)
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) -> Held {
        fs::write(path, text).or_else(|why| wrong(path, "it can be written", why))
    }

    /// Reads a file, blanks at its ends left out.
    pub(crate) fn read(&self, path: &str) -> Result<String, Miss> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(why) => wrong(path, "a file that can be read", why),
        }
    }

    /// A kernel setting of a container, or of the host if it has no name.
    pub(crate) fn sysctl(&self, container: &str, name: &str) -> Result<String, Miss> {
        self.within(container, || self.read(&format!("/proc/sys/{name}")))?
    }

    fn folder(&self, path: &str) -> Held {
        fs::create_dir_all(path).or_else(|why| wrong(path, "a folder", why))
    }
}

/// The path of a container's namespace.
pub(crate) fn netns(container: &str) -> String {
    format!("/run/netns/{container}")
}

/// Moves the calling thread into a container; an empty name is the host.
pub(crate) fn enter(container: &str) -> Held {
    if container.is_empty() {
        return Ok(());
    }
    let entered = fs::File::open(netns(container)).and_then(|file| {
        use std::os::fd::AsFd as _;
        Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
    });
    entered.or_else(|why| wrong(container, "a namespace that can be entered", why))
}
