//! A virtual machine for tests of what the kernel here may lack: VLANs, ipvlan, dummy, a card that is
//! hardware, a radio.
//!
//!     test binary ──▶ initramfs: busybox, ip, modules, the test binary itself ──▶ qemu, no KVM
//!       vm::inside() is false: boots ──────────────▶ the same test once more, vm::inside() is true
//!                                                    eth0 ── 10.0.2.2, which answers pings
//!
//! The kernel is Debian's, fetched once into target/vm. What is printed inside comes over the serial
//! console; without the line that ends it, the outer test fails.
//! Never here: a test that is passed over because there is no machine.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Set in the machine.
const INSIDE: &str = "ROPEWALK_VM";
/// What the last line begins with, before the status of the test.
const END: &str = "vm-test-ended";
/// How long a test may take in the machine; it is killed then.
const PATIENCE: Duration = Duration::from_secs(380);
/// Told to the kernel: what guards it from attackers costs an emulated processor half its speed.
const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=-1 mitigations=off nopti rcupdate.rcu_expedited=1";
/// The package that depends on the newest kernel. (That for cloud machines has no radios.)
const KERNEL: &str = "linux-image-amd64";
/// What of its modules is unpacked: by far the largest part are drivers.
const UNPACKED: &str = "net drivers/net drivers/virtio lib crypto fs/overlayfs";
/// What is loaded, with what it depends on.
const MODULES: &[&str] = &[
    "dummy",
    "8021q",
    "ipvlan",
    "macvlan",
    "veth",
    "bridge",
    "tun",
    // nf_tables asks for it, but not by name.
    "crc32c_generic",
    "nf_tables",
    "ifb",
    "virtio_pci",
    "virtio_net",
];
/// Programs that scripts of tests call, beside those of busybox, whose shell takes its own for all.
const PROGRAMS: &[&str] = &["/bin/sh", "/usr/sbin/ip", "/usr/sbin/sysctl", "/bin/ping"];

/// True in the machine.
#[must_use]
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the test `name` of this test binary in a machine.
///
/// # Panics
/// With all that the machine said, when it cannot be had, does not end, or the test fails there.
pub fn run(name: &str) {
    Machine::default().run(name);
}

/// A machine, with what it has beside the usual.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Files of here, under the same path there.
    pub files: Vec<PathBuf>,
    /// Modules that are loaded.
    pub modules: Vec<&'static str>,
    /// Programs that are found there by their name.
    pub programs: Vec<&'static str>,
    /// How long it may take; it is killed then. None for what a test may take.
    pub patience: Option<Duration>,
}

impl Machine {
    /// Runs the test `name` of this test binary in it.
    ///
    /// # Panics
    /// As for [`run`].
    #[expect(clippy::panic, clippy::expect_used, reason = "a test without its machine has failed")]
    pub fn run(&self, name: &str) {
        let test = std::env::current_exe().expect("this test");
        let line = format!("{} --exact {name} --nocapture --test-threads=1", test.display());
        let said = match self.boot(&test, &line, |_| ()) {
            Ok(said) => said,
            Err(said) => panic!("{name} in the virtual machine:\n{}", said.join("\n")),
        };
        assert!(
            said.iter().any(|line| line.contains("1 passed")),
            "{name} was not run in the virtual machine:\n{}",
            said.join("\n")
        );
    }

    /// Runs the shell's line `line`, which calls `exe`, in it. What is said there is told line by line.
    ///
    /// # Errors
    /// What was said, when the line does not end well.
    ///
    /// # Panics
    /// When there is no such machine to be had.
    #[expect(clippy::expect_used, reason = "a test without its machine has failed")]
    pub fn boot(
        &self,
        exe: &Path,
        line: &str,
        mut tell: impl FnMut(&str),
    ) -> Result<Vec<String>, Vec<String>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("ropewalk-vm-{}-{n}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(folder));
        let kernel = kernel();
        let initrd = folder.0.join("initrd");
        self.build(&folder.0.join("root"), &kernel, exe, line);
        sh(&format!(
            "cd {0}/root && find . | busybox cpio -o -H newc >{0}/initrd",
            folder.0.display()
        ));
        // The longest of all tests is on one emulated processor: what runs beside waits for it, not it for them.
        let mut child = Command::new("nice")
            .args(["-n", "-10", "qemu-system-x86_64"])
            .args("-accel tcg -m 1024 -smp 1 -nographic -no-reboot -nodefaults".split(' '))
            .args("-netdev user,id=lan,restrict=on,ipv6=off".split(' '))
            .args(["-device", "virtio-net-pci,netdev=lan,romfile="])
            .args(["-serial", "stdio", "-append", COMMAND_LINE, "-kernel"])
            .arg(first(&kernel.join("boot"), "vmlinuz-"))
            .arg("-initrd")
            .arg(&initrd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("qemu-system-x86_64, of the package qemu-system-x86");
        let console = child.stdout.take().expect("its console");
        let running = Running::watched(child, self.patience.unwrap_or(PATIENCE));
        let lines = BufReader::new(console).split(b'\n').map_while(Result::ok);
        let said: Vec<String> = lines
            .map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
            .inspect(|line| tell(line))
            .collect();
        drop(running);
        let end = said.iter().rev().find_map(|line| line.split(END).nth(1));
        if end.map(str::trim) == Some("0") { Ok(said) } else { Err(said) }
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// The machine's process: it is killed when it takes too long, and when the test ends.
struct Running {
    child: std::sync::Arc<std::sync::Mutex<Child>>,
    done: std::sync::mpsc::Sender<()>,
}

impl Running {
    fn watched(child: Child, patience: Duration) -> Self {
        let child = std::sync::Arc::new(std::sync::Mutex::new(child));
        let (done, waits) = std::sync::mpsc::channel();
        let watched = std::sync::Arc::clone(&child);
        std::thread::spawn(move || {
            if waits.recv_timeout(patience).is_err() {
                end(&watched);
            }
        });
        Self { child, done }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _told = self.done.send(());
        end(&self.child);
    }
}

fn end(child: &std::sync::Mutex<Child>) {
    if let Ok(mut child) = child.lock() {
        let _killed = child.kill();
        let _status = child.wait();
    }
}

/// The kernel's package, unpacked; fetched when it is not there.
#[expect(clippy::expect_used, reason = "a test without its machine has failed")]
fn kernel() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/vm");
    let there = target.join(KERNEL);
    if there.join("boot").exists() {
        return there;
    }
    let fetched = target.join(format!("fetching-{}", std::process::id()));
    fs::create_dir_all(&fetched).expect("target/vm");
    sh(&format!(
        "cd {}
        apt-cache depends {KERNEL} >/dev/null 2>&1 || apt-get --quiet update
        package=$(apt-cache depends {KERNEL} | sed -n 's/.*Depends: *//p' | head -n1)
        fetch() {{ apt-get --quiet --option APT::Sandbox::User=root download \"$package\"; }}
        fetch || {{ apt-get --quiet update; fetch; }}
        mkdir kernel; mv *.deb package
        wanted=$(for part in {UNPACKED}; do echo \"./lib/modules/*/kernel/$part/*\"; done)
        set -f
        dpkg-deb --fsys-tarfile package |
            tar -x -C kernel --wildcards './boot/vmlinuz-*' $wanted
        rm package",
        fetched.display()
    ));
    // Another test may have been faster.
    let _kept = fs::rename(fetched.join("kernel"), &there);
    let _gone = fs::remove_dir_all(&fetched);
    assert!(there.join("boot").exists(), "no kernel in {}", there.display());
    there
}

impl Machine {
    /// What the machine finds in its memory when it starts.
    #[expect(clippy::expect_used, reason = "a test without its machine has failed")]
    fn build(&self, root: &Path, kernel: &Path, exe: &Path, line: &str) {
        let _old = fs::remove_dir_all(root);
        for dir in ["bin/applets", "m", "proc", "sys", "dev", "run", "tmp", "etc"] {
            fs::create_dir_all(root.join(dir)).expect(dir);
        }
        let files: Vec<&Path> =
            self.files.iter().map(PathBuf::as_path).chain(std::iter::once(exe)).collect();
        let list: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        sh(&format!(
            "cp /bin/busybox {0}/bin/busybox
            for f in {1}; do
                cp --parents -L $f {0}
                strip {0}$f 2>/dev/null || true
            done
            for p in {2}; do
                cp -L $p {0}/bin/
                ldd $p | grep -o '/[^ ]*' | while read f; do cp --parents -L $f {0}; done
            done",
            root.display(),
            list.join(" "),
            [PROGRAMS, &self.programs].concat().join(" ")
        ));
        let mut loaded = Vec::new();
        let all = module_files(kernel);
        for module in MODULES.iter().chain(&self.modules) {
            load(&all, module, &mut loaded);
        }
        for (at, path) in loaded.iter().enumerate() {
            fs::copy(path, root.join(format!("m/{at:03}.ko"))).expect("a module");
        }
        let init = format!(
            "#!/bin/busybox sh
/bin/busybox --install -s /bin/applets
export PATH=/bin:/bin/applets
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; mount -t tmpfs run /run; mkdir -p /tmp
for m in /m/*.ko; do insmod $m || echo \"cannot load $m\"; done
ip link set lo up
{INSIDE}=1 {line} 2>&1
echo \"{END} $?\"
poweroff -f
"
        );
        let path = root.join("init");
        fs::write(&path, init).expect("init");
        sh(&format!("chmod 755 {}", path.display()));
    }
}

/// All modules of the kernel.
fn module_files(kernel: &Path) -> Vec<PathBuf> {
    let out = sh(&format!("find {} -name '*.ko'", kernel.join("lib/modules").display()));
    out.lines().map(PathBuf::from).collect()
}

/// Adds a module after those that it depends on, as the module itself says (`depends=a,b`).
#[expect(clippy::panic, clippy::expect_used, reason = "a test without its machine has failed")]
fn load(all: &[PathBuf], module: &str, loaded: &mut Vec<PathBuf>) {
    let plain = |name: &str| name.replace('-', "_");
    let named = |path: &&PathBuf| {
        path.file_stem().and_then(|stem| stem.to_str()).map(plain) == Some(plain(module))
    };
    let Some(path) = all.iter().find(named) else { panic!("the kernel has no module {module}") };
    if loaded.contains(path) {
        return;
    }
    let bytes = fs::read(path).expect("a module");
    let mark = b"\0depends=";
    let at = bytes.windows(mark.len()).position(|window| window == mark).expect("depends=");
    let rest = bytes.get(at + mark.len()..).unwrap_or_default();
    let list = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    let needed: BTreeSet<String> = String::from_utf8_lossy(list)
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    needed.iter().for_each(|name| load(all, name, loaded));
    loaded.push(path.clone());
}

/// The first file of a folder that begins so.
#[expect(clippy::expect_used, reason = "a test without its machine has failed")]
fn first(dir: &Path, begin: &str) -> PathBuf {
    let entries = fs::read_dir(dir).expect("the kernel's folder").flatten();
    let named = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(begin))
    };
    entries.map(|entry| entry.path()).find(named).expect(begin)
}

#[expect(clippy::expect_used, reason = "a test without a shell has failed")]
fn sh(script: &str) -> String {
    let done = Command::new("sh").args(["-ec", script]).output().expect("sh");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{script}\n{said}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
