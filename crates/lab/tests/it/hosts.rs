//! What a host of a lab sees.

use ropewalk_testnet::Private;

use crate::{LAB, at, mounts, sh, stand};

#[test]
fn a_host_has_its_own_links_names_and_state() {
    let _net = Private::enter();
    let before = mounts();
    let lab = stand(LAB);
    let in_h1 = |script: &str| lab.inside(&at("h1"), || sh(script)).unwrap();
    assert_eq!(in_h1("hostname"), "h1\n");
    assert_eq!(in_h1("ls /sys/class/net"), "eth0\nlo\n");
    assert_eq!(in_h1("ls /run/netns"), "red\n");
    in_h1("touch /etc/ropewalk/mine /run/ropewalk/mine; test -e /etc/passwd; ls /sys/fs/cgroup");
    let router = lab.inside(&at("router"), || sh("ls /etc/ropewalk /run/ropewalk /run/netns"));
    assert!(!router.unwrap().contains("mine"));
    assert!(!std::path::Path::new("/etc/ropewalk/mine").exists());
    assert_eq!(mounts(), before);
}

#[test]
fn a_container_sees_its_own_links_and_the_files_of_its_host() {
    let _net = Private::enter();
    let lab = stand(LAB);
    for container in ["h1/red", "h1/app"] {
        let links = lab.inside(&at(container), || sh("ip -o link | wc -l; ls /run/netns"));
        assert_eq!(links.unwrap(), "1\nred\n", "{container}");
    }
}

#[test]
fn the_pid_of_a_process_leads_to_its_namespace() {
    let _net = Private::enter();
    let lab = stand(LAB);
    let own = lab.inside(&at("h1/app"), || sh("readlink /proc/self/ns/net")).unwrap();
    let by_pid = || sh("readlink /proc/$(cat /run/app.pid)/ns/net");
    assert_eq!(lab.inside(&at("h1"), by_pid).unwrap(), own);
}

#[test]
fn its_processes_end_with_a_standing_lab() {
    let _net = Private::enter();
    let lab = stand(LAB);
    let pid = lab.inside(&at("h1"), || sh("cat /run/app.pid")).unwrap();
    let proc = format!("/proc/{}", pid.trim());
    assert!(std::path::Path::new(&proc).exists());
    drop(lab);
    assert!(!std::path::Path::new(&proc).exists());
}
