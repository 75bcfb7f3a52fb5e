//! The daemon: it borrows addresses for containers, renews them, and gives them back.
//!
//!     dhcp daemon [-socketpath /run/cni/dhcp.sock] [-timeout 10s] [-pidfile F] [-hostprefix P]
//!
//! One thread for each question, one for renewals; what it keeps is in files, so that the next
//! daemon goes on where this one was killed.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ropewalk_engine::{Renewal, Tenant};
use ropewalk_facts::{IfName, Mac};
use ropewalk_store::{Dhcp, Due};

use super::flags::Flags;
use super::leases::{self, Kept};
use super::word::{self, Answer, Ask, Key, Wanted};
use crate::fault::{Code, Fault};

/// How long an answer to a renewal is waited for: it is asked for again anyway.
const RENEWAL: Duration = Duration::from_secs(1);
/// The longest time between two looks.
const LOOK_MS: u64 = 15_000;

/// Runs until it is killed.
pub(crate) fn main(words: impl IntoIterator<Item = String>) -> ExitCode {
    let flags = match Flags::read(words) {
        Ok(flags) => flags,
        Err(why) => return told(&why, 2),
    };
    match Daemon::open(flags) {
        Ok((daemon, listener, wake)) => daemon.serve(&listener, wake),
        Err(why) => told(&why, 1),
    }
}

fn told(text: &str, status: u8) -> ExitCode {
    let _unheard = writeln!(std::io::stderr(), "dhcp daemon: {text}");
    ExitCode::from(status)
}

struct Daemon {
    flags: Flags,
    all: Mutex<BTreeMap<Key, Kept>>,
    /// Wakes the thread that renews: there is something new.
    news: Mutex<Sender<()>>,
}

impl Daemon {
    fn open(flags: Flags) -> Result<(Arc<Self>, UnixListener, Receiver<()>), String> {
        let cannot = |path: &PathBuf| {
            let path = path.display().to_string();
            move |why: std::io::Error| format!("{path}: {why}")
        };
        let socket = &flags.socket;
        let listener = match ropewalk_kernel::passed_socket() {
            Some(fd) => UnixListener::from(fd),
            None => {
                if UnixStream::connect(socket).is_ok() {
                    return Err(format!("{}: a daemon listens there already", socket.display()));
                }
                let folder = socket.parent().map_or(Ok(()), std::fs::create_dir_all);
                folder.map_err(cannot(socket))?;
                // What a daemon that was killed has left.
                let _none = std::fs::remove_file(socket);
                UnixListener::bind(socket).map_err(cannot(socket))?
            }
        };
        if let Some(path) = &flags.pidfile {
            std::fs::write(path, std::process::id().to_string()).map_err(cannot(path))?;
        }
        let kept = leases::all(socket).into_iter().map(|kept| (kept.key.clone(), kept)).collect();
        let (news, wake) = channel();
        let daemon = Self { flags, all: Mutex::new(kept), news: Mutex::new(news) };
        Ok((Arc::new(daemon), listener, wake))
    }

    fn serve(self: Arc<Self>, listener: &UnixListener, wake: Receiver<()>) -> ExitCode {
        let renewing = Arc::clone(&self);
        std::thread::spawn(move || renewing.keep_renewing(&wake));
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let daemon = Arc::clone(&self);
            std::thread::spawn(move || daemon.hear(stream));
        }
        ExitCode::FAILURE
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Key, Kept>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, mut stream: UnixStream) {
        // Who only looks whether somebody listens says nothing.
        let Ok(ask) = word::read::<Ask>(&stream) else { return };
        let answer = match ask {
            Ask::Lend(wanted) => self.lend(wanted),
            Ask::Return(key) => self.take(&key).map(|()| Answer::Done),
            Ask::Holds(key) => self.holds(&key),
            Ask::Keep { network, valid } => {
                let keys: Vec<Key> = self.kept().keys().cloned().collect();
                let over = keys.iter().filter(|key| leases::is_over(key, &network, &valid));
                over.map(|key| self.take(key)).fold(Ok(()), Result::and).map(|()| Answer::Done)
            }
        };
        let answer = answer.unwrap_or_else(|fault| Answer::Refused {
            code: fault.code.number(),
            msg: fault.msg,
            details: fault.details,
        });
        let _gone = word::write(&mut stream, &answer);
    }

    fn lend(&self, wanted: Wanted) -> Result<Answer, Fault> {
        let Wanted { key, netns, asked } = wanted;
        let netns = match self.flags.hostprefix.as_str() {
            "" => netns,
            prefix => PathBuf::from(format!("{prefix}{}", netns.display())),
        };
        let odd = |why| Fault::new(Code::Environment, format!("CNI_IFNAME: {why}"));
        let ifname = IfName::new(key.ifname.as_str()).map_err(odd)?;
        let super::options::Asked { identity, provide, ask } = asked;
        let tenant = Tenant { netns, ifname, identity, provide, ask };
        let before = self.kept().get(&key).map(|kept| kept.lease.clone());
        let lease = tenant.borrow(before.as_ref(), self.flags.timeout)?;
        let kept = Kept { key: key.clone(), tenant, lease: lease.clone(), tried_ms: 0 };
        if let Err(why) = leases::write(&self.flags.socket, &kept) {
            let _gone = kept.tenant.give_back(&lease);
            let what = format!("cannot write down the lease of {key}");
            return Err(Fault::new(Code::Io, what).details(why.to_string()));
        }
        self.kept().insert(key, kept);
        let _woken = self.news.lock().unwrap_or_else(PoisonError::into_inner).send(());
        Ok(Answer::Lent(lease))
    }

    /// Gives a lease back; that there is none is as well.
    fn take(&self, key: &Key) -> Result<(), Fault> {
        let kept = self.kept().remove(key);
        if let Some(kept) = kept {
            // A container that is gone cannot say it any more: the lease runs out.
            let _unheard = kept.tenant.give_back(&kept.lease);
        }
        leases::forget(&self.flags.socket, key)
    }

    fn holds(&self, key: &Key) -> Result<Answer, Fault> {
        let lease = self.kept().get(key).map(|kept| kept.lease.clone());
        let none = || Fault::new(Code::Internal, format!("the dhcp daemon has no lease of {key}"));
        lease.map(Answer::Lent).ok_or_else(none)
    }

    fn keep_renewing(&self, wake: &Receiver<()>) {
        let mut pause = 0;
        // Whether something came, or the time is over: it is looked at what is.
        while wake.recv_timeout(Duration::from_millis(pause)) != Err(DISCONNECTED) {
            let all: Vec<Kept> = self.kept().values().cloned().collect();
            for kept in all {
                self.look_after(kept);
            }
            let now = now_ms();
            let due = |kept: &Kept| match dhcp(kept).due(now) {
                Due::In(ms) => ms,
                Due::Renew | Due::Rebind | Due::Over => 0,
            };
            pause = self.kept().values().map(due).min().unwrap_or(LOOK_MS).clamp(500, LOOK_MS);
        }
    }

    fn look_after(&self, kept: Kept) {
        let due = dhcp(&kept).due(now_ms());
        if !kept.tenant.netns.exists() {
            self.kept().remove(&kept.key);
            let _kept = leases::forget(&self.flags.socket, &kept.key);
            return;
        }
        let renewed = match due {
            Due::In(_) => return,
            Due::Renew | Due::Rebind => match kept.tenant.renew(&kept.lease, due, RENEWAL) {
                Ok(Renewal::Kept(lease)) => Some(lease),
                Ok(Renewal::Refused) => self.again(&kept),
                Ok(Renewal::Silent) | Err(_) => None,
            },
            Due::Over => self.again(&kept),
        };
        let tried_ms = if renewed.is_some() { 0 } else { now_ms() };
        let lease = renewed.unwrap_or_else(|| kept.lease.clone());
        let now = Kept { lease, tried_ms, ..kept.clone() };
        let mut all = self.kept();
        // It may have been given back meanwhile, or lent anew.
        if all.get(&kept.key) == Some(&kept) {
            let _unwritten = leases::write(&self.flags.socket, &now);
            all.insert(now.key.clone(), now);
        }
    }

    /// The same address once more; another one would not be the container's.
    fn again(&self, kept: &Kept) -> Option<ropewalk_store::DhcpLease> {
        match kept.tenant.borrow(Some(&kept.lease), self.flags.timeout) {
            Ok(lease) if lease.net == kept.lease.net => Some(lease),
            Ok(other) => {
                let _gone = kept.tenant.give_back(&other);
                told(&format!("{}: {} is lent no more", kept.key, kept.lease.net), 0);
                None
            }
            Err(fault) => {
                told(&format!("{}: {}", kept.key, fault.what), 0);
                None
            }
        }
    }
}

const DISCONNECTED: std::sync::mpsc::RecvTimeoutError =
    std::sync::mpsc::RecvTimeoutError::Disconnected;

fn dhcp(kept: &Kept) -> Dhcp {
    let lease = Some(kept.lease.clone());
    Dhcp { client: Mac([0; 6]), name: None, lease, tried_ms: kept.tried_ms }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().and_then(|d| u64::try_from(d.as_millis()).ok()).unwrap_or_default()
}
