//! The leases of one network as files, in the form that other tools read and write.
//!
//!     /var/lib/cni/networks/web/10.9.0.5               "CONTAINER\r\nIFNAME"
//!                               last_reserved_ip.0     "10.9.0.5"
//!                               lock                   held while anything is changed; in it, of
//!                                                      which boot our index is
//!                               .ropewalk/CONTAINER@IFNAME   which addresses it has: our index
//!
//! The index spares looking through all leases. It is written before the lease, so what a crash
//! leaves is found by it; what it says is believed when the lease says the same. A network
//! namespace does not survive a reboot: what the index has of an earlier boot is given back.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::fault::{Code, Fault};

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder {
    pub(crate) container: String,
    /// Empty in leases of an old form.
    pub(crate) ifname: String,
}

/// The leases of a network, locked.
pub(crate) struct Leases {
    dir: PathBuf,
    lock: File,
}

impl Holder {
    fn read(text: &str) -> Self {
        let (container, ifname) = text.trim().split_once("\r\n").unwrap_or((text.trim(), ""));
        Self { container: container.to_owned(), ifname: ifname.to_owned() }
    }

    /// True too for a lease of the old form, which says no interface.
    fn is(&self, who: &Self) -> bool {
        self.container == who.container && (self.ifname == who.ifname || self.ifname.is_empty())
    }

    fn write(&self) -> String {
        format!("{}\r\n{}", self.container, self.ifname)
    }

    /// The name of its file in the index.
    fn file(&self) -> String {
        /// The longest name of a file (`NAME_MAX`).
        const NAME_MAX: usize = 255;
        let name = format!("{}@{}", self.container, self.ifname);
        if name.len() <= NAME_MAX {
            return name;
        }
        // FNV-1a of 64 bits (draft-eastlake-fnv): a name, no secret.
        let mix = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = name.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
        let begin: String = name.chars().take(200).collect();
        format!("{begin}@{hash:016x}")
    }
}

impl Leases {
    /// Opens and locks the leases of `network`, and gives back those of an earlier boot.
    pub(crate) fn open(data: &Path, network: &str) -> Result<Self, Fault> {
        let dir = data.join(network);
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o755).create(&dir);
        made.map_err(|why| io("create", &dir, &why))?;
        let path = dir.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(&path).map_err(|why| io("open", &path, &why))?;
        lock.lock().map_err(|why| io("lock", &path, &why))?;
        let boot = text(Path::new(BOOT_ID))?.unwrap_or_default().trim().to_owned();
        let mut seen = String::new();
        // What is no text is of no boot.
        let _read = lock.read_to_string(&mut seen);
        let leases = Self { dir, lock };
        if seen != boot {
            leases.enter_boot()?;
            // In one write, over one of the same length.
            let mut lock = &leases.lock;
            let written = lock.rewind().and_then(|()| lock.write_all(boot.as_bytes()));
            written.map_err(|why| io("write", &path, &why))?;
        }
        Ok(leases)
    }

    /// The leases of `network` if there ever were any; nothing is created.
    pub(crate) fn find(data: &Path, network: &str) -> Result<Option<Self>, Fault> {
        match data.join(network).exists() {
            true => Self::open(data, network).map(Some),
            false => Ok(None),
        }
    }

    fn index(&self) -> PathBuf {
        self.dir.join(".ropewalk")
    }

    /// Gives back what the index has, which is of an earlier boot.
    fn enter_boot(&self) -> Result<(), Fault> {
        for path in files(&self.index())? {
            if let Some(entry) = text(&path)? {
                let (who, ips) = read_entry(&entry);
                self.drop_leases(&who, &ips)?;
            }
            remove(&path)?;
        }
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(self.index());
        made.map_err(|why| io("create", &self.index(), &why))
    }

    /// Who has `ip`; none also for a lease that a crash left empty.
    pub(crate) fn holder(&self, ip: IpAddr) -> Result<Option<Holder>, Fault> {
        let found = text(&self.dir.join(ip.to_string()))?;
        Ok(found.map(|text| Holder::read(&text)).filter(|who| !who.container.is_empty()))
    }

    /// What `who` was given, or was about to be, by the index.
    pub(crate) fn indexed(&self, who: &Holder) -> Result<Vec<IpAddr>, Fault> {
        let entry = text(&self.index().join(who.file()))?.map(|entry| read_entry(&entry));
        Ok(entry.filter(|(of, _)| of == who).map(|(_, ips)| ips).unwrap_or_default())
    }

    /// What `who` has: as the index says, else by the leases themselves, whoever gave them.
    pub(crate) fn held(&self, who: &Holder) -> Result<Vec<IpAddr>, Fault> {
        let mut held = Vec::new();
        for ip in self.indexed(who)? {
            if self.holder(ip)?.as_ref() == Some(who) {
                held.push(ip);
            }
        }
        if !held.is_empty() {
            return Ok(held);
        }
        let all = self.all()?;
        let of = |who: &Holder| -> Vec<IpAddr> {
            all.iter().filter(|(_, holder)| holder == who).map(|(ip, _)| *ip).collect()
        };
        let old = Holder { container: who.container.clone(), ifname: String::new() };
        Ok(Some(of(who)).filter(|ips| !ips.is_empty()).unwrap_or_else(|| of(&old)))
    }

    /// All leases.
    pub(crate) fn all(&self) -> Result<Vec<(IpAddr, Holder)>, Fault> {
        let mut all = Vec::new();
        for path in files(&self.dir)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Ok(ip) = name.parse() {
                all.extend(self.holder(ip)?.map(|who| (ip, who)));
            }
        }
        Ok(all)
    }

    /// The address that was given last of a set.
    pub(crate) fn last(&self, set: usize) -> Result<Option<IpAddr>, Fault> {
        Ok(text(&self.cursor(set))?.and_then(|text| text.trim().parse().ok()))
    }

    fn cursor(&self, set: usize) -> PathBuf {
        self.dir.join(format!("last_reserved_ip.{set}"))
    }

    /// Gives `who` the addresses `ips`, each of its set; those it has already stay.
    pub(crate) fn take(&self, who: &Holder, ips: &[(usize, IpAddr)]) -> Result<(), Fault> {
        let list: String = ips.iter().map(|(_, ip)| format!("{ip}\n")).collect();
        put(&self.index().join(who.file()), &format!("{}\n{list}", who.write()))?;
        for (set, ip) in ips {
            if self.holder(*ip)?.as_ref() != Some(who) {
                put(&self.dir.join(ip.to_string()), &who.write())?;
                put(&self.cursor(*set), &ip.to_string())?;
            }
        }
        Ok(())
    }

    /// Gives back `ips` as far as they are `who`'s, and the entry of the index.
    pub(crate) fn give_back(&self, who: &Holder, ips: &[IpAddr]) -> Result<(), Fault> {
        self.drop_leases(who, ips)?;
        remove(&self.index().join(who.file()))
    }

    /// As [`Self::give_back`], and the entry stays.
    pub(crate) fn drop_leases(&self, who: &Holder, ips: &[IpAddr]) -> Result<(), Fault> {
        for ip in ips {
            let path = self.dir.join(ip.to_string());
            // Under the lock an empty lease is one that a crash left.
            match text(&path)?.map(|text| Holder::read(&text)) {
                Some(holder) if holder.is(who) || holder.container.is_empty() => remove(&path)?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// Of which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// An entry of the index: the holder as in a lease, then an address a line.
fn read_entry(text: &str) -> (Holder, Vec<IpAddr>) {
    let (container, rest) = text.split_once("\r\n").unwrap_or((text, ""));
    let mut lines = rest.lines();
    let ifname = lines.next().unwrap_or_default().to_owned();
    let who = Holder { container: container.to_owned(), ifname };
    (who, lines.filter_map(|line| line.parse().ok()).collect())
}

fn text(path: &Path) -> Result<Option<String>, Fault> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(io("read", path, &why)),
    }
}

fn put(path: &Path, text: &str) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|why| io("write", path, &why))
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(io("remove", path, &why)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The plain files of a folder; none when it is not there.
fn files(dir: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(io("read", dir, &why)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|why| io("read", dir, &why))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            all.push(entry.path());
        }
    }
    Ok(all)
}

fn io(doing: &str, path: &Path, why: &std::io::Error) -> Fault {
    Fault::new(Code::Io, format!("host-local: cannot {doing} {}", path.display()))
        .details(why.to_string())
}
