//! Real container engines for tests: one of a test's own, gone with it.
//!
//!     let docker = Engine::docker(&net);                  a dockerd, in the test's namespaces
//!     docker.sh("docker run -d --name web --network none $IMAGE sleep 600");
//!     docker.host()                                       for DOCKER_HOST
//!
//! All that an engine keeps is in a folder below /tmp and in a cgroup, both removed at the end, even
//! when the test is killed.  Its images come from busybox: nothing is fetched.
//! Never here: engines of the machine itself.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Private;

/// The image that every engine here has: busybox, with all its commands under /bin.
pub const IMAGE: &str = "localhost/busybox";

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the image.
const IMPORT: &str = "\
mkdir -p $DIR/root/bin $DIR/root/tmp
cp /bin/busybox $DIR/root/bin
$DIR/root/bin/busybox --install $DIR/root/bin
tar --create --directory $DIR/root . | engine import - $IMAGE";

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    dir: PathBuf,
    launcher: Child,
    environment: String,
}

impl Engine {
    /// Starts dockerd.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn docker(_net: &Private) -> Self {
        Self::start(include_str!("engines/docker.sh"), "")
    }

    /// Starts podman's API service.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn podman(_net: &Private) -> Self {
        Self::start(include_str!("engines/podman.sh"), "")
    }

    /// Starts podman with the CNI plugins of a folder, which it writes the configurations of.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn podman_cni(_net: &Private, plugins: &Path) -> Self {
        let more = format!("PLUGINS={}", plugins.display());
        Self::start(include_str!("engines/podman.sh"), &more)
    }

    /// Starts containerd, which speaks CRI, with the CNI plugins of a folder and a list of them.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn containerd(_net: &Private, plugins: &Path, list: &str) -> Self {
        let more = format!("PLUGINS={} CONF='{list}'", plugins.display());
        Self::start(include_str!("engines/containerd.sh"), &more)
    }

    /// The socket that it listens on.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("socket")
    }

    /// The socket as DOCKER_HOST and CONTAINER_HOST spell it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Runs a shell script in which `docker` or `podman` is this engine's and `$IMAGE` its image; it
    /// ends at the first command that fails. Returns what it prints.
    ///
    /// # Panics
    /// With all it printed, when it fails.
    pub fn sh(&self, script: &str) -> String {
        let (done, out) = self.try_sh(script);
        assert!(done, "{script}\n{out}");
        out
    }

    /// As [`Engine::sh`]; whether it succeeded, and what it prints, errors too.
    ///
    /// # Panics
    /// When there is no shell.
    #[must_use]
    pub fn try_sh(&self, script: &str) -> (bool, String) {
        #[expect(clippy::expect_used, reason = "a test without a shell has failed")]
        let output = Command::new("nsenter")
            .arg(format!("--mount=/proc/{}/ns/mnt", self.launcher.id()))
            .args(["sh", "-ec", &format!("exec 2>&1\n{}\n{script}", self.environment)])
            .stdin(Stdio::null())
            .output()
            .expect("nsenter");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Stops dockerd, as `systemctl restart docker` does, and starts it again with what it kept.
    ///
    /// # Panics
    /// When it does not stop or start.
    pub fn restart(&mut self) {
        self.sh("stop_to_start_again 2>/dev/null");
        self.wait();
    }

    /// Starts an engine by the shell functions that say what it is, and makes the image.
    fn start(functions: &str, more: &str) -> Self {
        let dir = fresh_dir();
        let name = dir.file_name().unwrap_or_default().display();
        let environment =
            format!("DIR={} NAME={name} IMAGE={IMAGE} {more}\n{functions}", dir.display());
        let launcher = launch(&environment);
        let mut engine = Self { dir, launcher, environment };
        engine.wait();
        engine.sh(IMPORT);
        engine
    }

    /// Waits until it answers.
    fn wait(&mut self) {
        let begun = Instant::now();
        while !self.try_sh("answers").0 {
            let ended = self.launcher.try_wait().is_ok_and(|status| status.is_some());
            assert!(!ended, "the engine ended: see above");
            let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the engine does not answer\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.launcher.id()).ok().and_then(Pid::from_raw) {
            // Both fail only when it has ended by itself.
            let _told = kill_process(pid, Signal::TERM);
            let _ended = self.launcher.wait();
        }
    }
}

/// Starts the shell that starts the engine, and that ends with this thread.
fn launch(environment: &str) -> Child {
    let script = format!("{environment}\n{}", include_str!("engines/launcher.sh"));
    #[expect(clippy::expect_used, reason = "a test without its engine has failed")]
    Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"])
        .args(["sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("setpriv")
}

/// A new folder, with a short path: a socket's may have 107 bytes.
fn fresh_dir() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = PathBuf::from(format!("/tmp/ropewalk-{}-{count}", std::process::id()));
    #[expect(clippy::expect_used, reason = "a test without its engine has failed")]
    std::fs::create_dir(&dir).expect("a folder of the engine's own");
    dir
}
