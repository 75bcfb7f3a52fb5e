//! Private networks for tests: one per test thread, gone with it.
//!
//!     let net = Private::enter();              unshare --net --mount, /run/netns empty, lo up
//!     let out = net.sh("ip -br link");         any shell script in it, its output as text
//!
//! A test that cannot have one fails, it is never skipped.  Never here: product code.

pub mod engines;
pub mod pairs;
pub mod speed;
pub mod vm;

use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

/// Folders that each private network has for itself, empty.
const OWN: &[&str] = &["/run/netns", "/run/ropewalk", "/etc/ropewalk"];

/// A network namespace and a mount namespace of the calling thread.
///
/// Threads that it starts afterwards, and processes, are in it too.
#[derive(Debug)]
pub struct Private(());

impl Private {
    /// Moves the calling thread into new namespaces, where only `lo` is, up, and no named
    /// namespace.
    ///
    /// # Panics
    /// When that is refused: the tests run as root.
    #[must_use]
    pub fn enter() -> Self {
        let net = Self::bare();
        net.sh("ip link set lo up");
        net
    }

    /// As [`Private::enter`], with `lo` down, as it is in every new namespace.
    ///
    /// # Panics
    /// As for [`Private::enter`].
    #[must_use]
    pub fn bare() -> Self {
        unshare();
        private_mounts();
        Self(())
    }

    /// The network of the calling thread, as another process made it.
    #[must_use]
    pub fn inherited() -> Self {
        Self(())
    }

    /// Runs a shell script, which ends at the first command that fails, and returns what it
    /// prints.
    ///
    /// # Panics
    /// With all it printed, when it fails.
    pub fn sh(&self, script: &str) -> String {
        let (done, out) = self.try_sh(script);
        assert!(done, "{script}\n{out}");
        out
    }

    /// As [`Private::sh`]; whether it succeeded, and what it prints, errors too.
    ///
    /// # Panics
    /// When there is no shell.
    #[must_use]
    pub fn try_sh(&self, script: &str) -> (bool, String) {
        #[expect(clippy::expect_used, reason = "a test without a shell has failed")]
        let output = Command::new("sh")
            .args(["-ec", &format!("exec 2>&1\n{script}")])
            .stdin(Stdio::null())
            .output()
            .expect("sh");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[expect(unsafe_code, reason = "rustix marks unshare so for the sake of file descriptors")]
#[expect(clippy::expect_used, reason = "a test without its namespaces has failed")]
fn unshare() {
    let flags = UnshareFlags::NEWNET | UnshareFlags::NEWNS;
    // SAFETY: the table of file descriptors is not unshared.
    unsafe { rustix::thread::unshare_unsafe(flags) }.expect("a private network, as root");
}

/// Nothing mounted here is seen outside.
#[expect(clippy::expect_used, reason = "a test without its namespaces has failed")]
fn private_mounts() {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("private mounts");
    for dir in OWN {
        std::fs::create_dir_all(dir).expect(dir);
        mount("tmpfs", *dir, "tmpfs", MountFlags::empty(), c"mode=755").expect(dir);
    }
    // What sysfs shows is that of the namespace it was mounted in.
    mount("sysfs", "/sys", "sysfs", MountFlags::empty(), c"").expect("/sys");
}
