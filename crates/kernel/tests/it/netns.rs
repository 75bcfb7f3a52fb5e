//! Namespaces: made, entered, removed, told apart from other files.

use std::os::fd::AsFd as _;
use std::path::Path;

use ropewalk_kernel::{Errno, Error, enter, netns};
use ropewalk_testnet::Private;

fn links(net: &Private) -> usize {
    net.sh("ip -o link").lines().count()
}

#[test]
fn a_namespace_is_made_as_ip_netns_makes_it() {
    let net = Private::enter();
    let red = netns::create("red").unwrap();
    assert_eq!(net.sh("ip netns list").trim(), "red");
    assert_eq!(netns::names().unwrap(), ["red"]);
    assert!(netns::exists("red"));
    net.sh("ip netns exec red ip link add ifb5 type ifb");
    let inside = enter(red.as_fd(), || links(&net)).unwrap();
    assert_eq!((inside, links(&net)), (2, 1));
    drop(red);
    netns::delete("red").unwrap();
    assert!(!netns::exists("red"));
    assert_eq!(net.sh("ip netns list").trim(), "");
}

#[test]
fn one_made_by_ip_netns_is_opened_and_removed() {
    let net = Private::enter();
    net.sh("ip netns add blue");
    netns::open_named("blue").unwrap();
    netns::create("green").unwrap();
    netns::delete("blue").unwrap();
    assert_eq!(netns::names().unwrap(), ["green"]);
}

#[test]
fn the_folder_becomes_a_shared_mount_once() {
    let net = Private::enter();
    // A new /run above the old one: who takes away the machine's own folder takes away the mounts that all
    // other tests have upon it. Where the machine's own is a mount already, it lies under the test's.
    net.sh(
        "while umount /run/netns 2>/dev/null; do :; done; mount -t tmpfs x /run; mkdir /run/netns",
    );
    for name in ["a", "b"] {
        netns::create(name).unwrap();
    }
    let mounts = net.sh("grep ' /run/netns ' /proc/thread-self/mountinfo || true");
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
    assert!(mounts.contains("shared:"), "{mounts}");
}

#[test]
fn a_name_that_is_taken_is_refused_and_kept() {
    let _net = Private::enter();
    netns::create("red").unwrap();
    let e = netns::create("red").unwrap_err();
    assert_eq!(e.errno(), Some(Errno::EXIST));
    netns::open_named("red").unwrap();
}

#[test]
fn what_is_not_there_is_not_opened_or_deleted() {
    let _net = Private::enter();
    assert_eq!(netns::open_named("red").unwrap_err().errno(), Some(Errno::NOENT));
    assert_eq!(netns::delete("red").unwrap_err().errno(), Some(Errno::NOENT));
    assert_eq!(netns::open_named("../x").unwrap_err().errno(), Some(Errno::INVAL));
    assert_eq!(netns::open_pid(0).unwrap_err().errno(), Some(Errno::SRCH));
    assert_eq!(netns::open_pid(i32::MAX).unwrap_err().errno(), Some(Errno::SRCH));
}

#[test]
fn a_file_that_is_no_network_namespace_is_called_so() {
    let net = Private::enter();
    net.sh("touch /run/netns/plain; mkfifo /run/netns/pipe");
    for path in ["/run/netns/plain", "/run/netns/pipe", "/proc/self/ns/mnt", "/dev/null"] {
        let path = Path::new(path);
        assert_eq!(netns::open_path(path).unwrap_err(), Error::NotNetns(path.to_owned()));
    }
    // A file without a mount is what a crash may leave: it can be removed.
    netns::delete("plain").unwrap();
    assert!(!netns::exists("plain"));
}

#[test]
fn the_namespace_of_a_process_is_found() {
    let net = Private::enter();
    let red = netns::create("red").unwrap();
    let sleeper = enter(red.as_fd(), || net.sh("sleep 60 >/dev/null 2>&1 & echo $!")).unwrap();
    let found = netns::open_pid(sleeper.trim().parse().unwrap()).unwrap();
    net.sh("ip -n red link set lo up");
    let state = enter(found.as_fd(), || net.sh("ip -o link show lo")).unwrap();
    net.sh(&format!("kill {sleeper}"));
    assert!(state.contains("LOOPBACK,UP"), "{state}");
}

#[test]
fn a_panic_inside_comes_back_too() {
    let net = Private::enter();
    let red = netns::create("red").unwrap();
    net.sh("ip link add v type veth peer name w");
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        enter(red.as_fd(), || assert_eq!(links(&net), 3))
    }));
    assert!(died.is_err());
    assert_eq!(links(&net), 3);
}
