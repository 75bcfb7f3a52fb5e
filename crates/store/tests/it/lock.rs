//! Locks: shared and alone, one for each attachment, gone with their process.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ropewalk_facts::Ns;
use ropewalk_store::{Held, Store};

use crate::Folder;

/// Long enough for a thread that need not wait, on a busy machine.
const AMPLE: Duration = Duration::from_secs(20);

/// Whether `take` has to wait for as long as `first` is held; afterwards it must get it.
fn waits(store: &Store, first: Held, take: impl Fn(&Store) -> Held + Send) -> bool {
    thread::scope(|scope| {
        let (got, gets) = channel();
        scope.spawn(move || got.send(take(store)).unwrap());
        let at_once = gets.recv_timeout(Duration::from_millis(200)).is_ok();
        drop(first);
        assert!(at_once || gets.recv_timeout(AMPLE).is_ok(), "it is let go");
        !at_once
    })
}

/// Whether `take` gets it while `first` is held.
fn meets(store: &Store, first: Held, take: impl Fn(&Store) -> Held + Send) -> bool {
    thread::scope(|scope| {
        let (got, gets) = channel();
        scope.spawn(move || got.send(take(store)).unwrap());
        let both = gets.recv_timeout(AMPLE).is_ok();
        drop(first);
        both
    })
}

#[test]
fn the_structure_is_shared_or_had_alone() {
    let folder = Folder::new();
    let store = folder.open();
    let (share, alone) =
        (|s: &Store| s.share_structure().unwrap(), |s: &Store| s.lock_structure().unwrap());
    assert!(meets(&store, share(&store), share));
    assert!(waits(&store, share(&store), alone));
    assert!(waits(&store, alone(&store), share));
    assert!(waits(&store, alone(&store), alone));
}

#[test]
fn verbs_on_one_sandbox_wait_for_each_other() {
    let folder = Folder::new();
    let store = folder.open();
    let take = |ns: &str| {
        let ns = Ns::new(ns);
        move |s: &Store| s.lock_sandbox(&ns).unwrap()
    };
    assert!(waits(&store, take("netns:a")(&store), take("netns:a")));
    assert!(meets(&store, take("netns:a")(&store), take("netns:b")));
    assert!(meets(&store, store.lock_structure().unwrap(), take("netns:a")));
}

#[test]
fn one_of_two_shares_let_go_leaves_the_other() {
    let folder = Folder::new();
    let store = folder.open();
    let (one, two) = (store.share_structure().unwrap(), store.share_structure().unwrap());
    drop(one);
    assert!(waits(&store, two, |s| s.lock_structure().unwrap()));
}
