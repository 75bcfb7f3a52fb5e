//! Labs that stay up: `up`, `exec`, `ls`, `down`.

use ropewalk_lab::{Error, Root};

use crate::{Folder, LAB, at, mounts, named, sh};

fn up(root: &Root, text: &str) -> Result<String, Error> {
    root.up("lab.toml", text, "/bin/false".as_ref()).map(|lab| lab.name.to_string())
}

#[test]
fn a_lab_is_kept_without_a_process_and_gone_when_down() {
    let folder = Folder::new();
    let root = folder.root();
    let before = mounts();
    assert_eq!(up(&root, LAB).unwrap(), "pair");
    let in_h1 = |script: &str| root.inside(None, &at("h1"), || sh(script)).unwrap();
    assert_eq!(in_h1("hostname; ls /run/netns"), "h1\nred\n");
    in_h1("ping -c1 -W2 203.0.113.10");
    let links = root.inside(None, &at("h1/red"), || sh("ip -o link | wc -l")).unwrap();
    assert_eq!(links, "1\n");
    let app = root.inside(None, &at("h1/app"), || sh("readlink /proc/self/ns/net")).unwrap();
    assert_eq!(in_h1("readlink /proc/$(cat /run/app.pid)/ns/net"), app);

    let kept = root.ls().unwrap();
    let [lab] = kept.as_slice() else { panic!("{kept:?}") };
    assert!(lab.ready && lab.processes.len() == 2);
    assert!(lab.processes.iter().all(|(_, process)| process.runs()));
    root.down(Some(&named("pair"))).unwrap();
    assert!(lab.processes.iter().all(|(_, process)| !process.runs()));
    assert_eq!(mounts(), before);
    assert_eq!(root.ls().unwrap(), []);
}

#[test]
fn a_lab_is_up_once() {
    let folder = Folder::new();
    let root = folder.root();
    up(&root, LAB).unwrap();
    assert!(matches!(up(&root, LAB), Err(Error::AlreadyUp(_))));
    root.down(None).unwrap();
    up(&root, LAB).unwrap();
}

#[test]
fn what_is_not_there_is_named() {
    let folder = Folder::new();
    let root = folder.root();
    assert!(matches!(root.down(Some(&named("pair"))), Err(Error::NotUp(_))));
    assert_eq!(root.down(None).unwrap(), []);
    up(&root, LAB).unwrap();
    let inside = root.inside(None, &at("h9"), || ());
    assert_eq!(
        inside.unwrap_err().to_string(),
        "there is no host or container `h9` in a lab that is up"
    );
    up(&root, &LAB.replacen("pair", "other", 1)).unwrap();
    let inside = root.inside(None, &at("h1"), || ());
    assert_eq!(inside.unwrap_err().to_string(), "`h1` is in several labs that are up: other, pair");
    assert_eq!(root.inside(Some(&named("pair")), &at("h1"), || sh("hostname")).unwrap(), "h1\n");
}

#[test]
fn the_other_lab_stays_up() {
    let folder = Folder::new();
    let root = folder.root();
    up(&root, LAB).unwrap();
    up(&root, &LAB.replacen("pair", "other", 1)).unwrap();
    root.down(Some(&named("pair"))).unwrap();
    assert_eq!(root.inside(None, &at("h1"), || sh("hostname")).unwrap(), "h1\n");
    root.inside(None, &at("h1"), || sh("ping -c1 -W2 203.0.113.10")).unwrap();
}

#[test]
fn a_process_that_only_has_the_pid_of_one_of_ours_is_left_alone() {
    let folder = Folder::new();
    let root = folder.root();
    up(&root, LAB).unwrap();
    // Another tick of the clock that start times are told by.
    sh("sleep 0.02");
    let mut foreign = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let record = folder.path.join("pair/process/h1+app");
    let ours = std::fs::read_to_string(&record).unwrap();
    let (pid, started) = ours.trim().split_once(' ').unwrap();
    std::fs::write(&record, format!("{} {started}\n", foreign.id())).unwrap();
    root.down(None).unwrap();
    assert!(foreign.try_wait().unwrap().is_none());
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    sh(&format!("kill -9 {pid}"));
}

#[test]
fn a_refused_lab_leaves_nothing() {
    let folder = Folder::new();
    let root = folder.root();
    up(&root, &LAB.replacen("pair", "other", 1)).unwrap();
    let before = mounts();
    // No host can have an address of a group.
    let bad = LAB.replace("2001:db8::", "ff0e::");
    let refused = up(&root, &bad).unwrap_err();
    assert!(matches!(refused, Error::Failure(_)), "{refused}");
    assert_eq!(mounts(), before);
    assert_eq!(root.ls().unwrap().len(), 1);
}
