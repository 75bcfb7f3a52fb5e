//! Many processes: this test binary runs itself with `RW_WORK` set.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ropewalk_facts::Ns;
use ropewalk_store::Store;

use crate::{Folder, attach, key, network, stamp, web};

fn work() -> Option<PathBuf> {
    std::env::var_os("RW_WORK").map(Into::into)
}

/// Another process that runs `test` in the folder `state` under the name `id`.
fn start(test: &str, state: &Path, id: usize) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env("RW_WORK", state).env("RW_ID", id.to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Prints a line that the parent looks for, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\nSAID {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn said(child: Child) -> Vec<String> {
    let lines = BufReader::new(child.stdout.unwrap()).lines();
    let lines = lines.map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix("SAID ").map(str::to_owned)).collect()
}

#[test]
fn thirty_two_processes_lease_distinct_addresses() {
    const EACH: usize = 5;
    let net = network("10.9.0.0/16");
    if let Some(state) = work() {
        let id = std::env::var("RW_ID").unwrap();
        // Each opens the folder, and the first of them makes it.
        let store = Store::open(&state, &stamp()).unwrap();
        (0..EACH).for_each(|n| say(&attach(&store, &net, &format!("netns:c{id}-{n}")).unwrap()));
        return;
    }
    let folder = Folder::new();
    let test = "process::thirty_two_processes_lease_distinct_addresses";
    let children: Vec<_> = (0..32).map(|id| start(test, &folder.state(), id)).collect();
    let given: Vec<String> = children.into_iter().flat_map(said).collect();
    assert_eq!(given.len(), 32 * EACH);
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 32 * EACH);
    let store = folder.open();
    let tx = store.read().unwrap();
    assert_eq!(tx.leases(&web()).unwrap().len(), 32 * EACH);
    assert_eq!(tx.count_on(&web()).unwrap(), 32 * EACH);
}

#[test]
fn what_a_killed_process_was_told_is_kept() {
    let net = network("10.9.0.0/16");
    if let Some(state) = work() {
        let id = std::env::var("RW_ID").unwrap();
        let store = Store::open(&state, &stamp()).unwrap();
        for n in 0.. {
            let ns = format!("netns:c{id}-{n}");
            attach(&store, &net, &ns).unwrap();
            say(&format!("+{ns}"));
            if n % 3 == 0 {
                let mut tx = store.write().unwrap();
                tx.remove(&key(&ns)).unwrap();
                tx.commit().unwrap();
                say(&format!("-{ns}"));
            }
        }
    }
    let folder = Folder::new();
    let (mut added, mut removed, mut last) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for round in 0..25 {
        let test = "process::what_a_killed_process_was_told_is_kept";
        let mut two = [round * 2, round * 2 + 1].map(|id| start(test, &folder.state(), id));
        // Killed in the midst of whatever comes after so many bytes of what it says.
        let mut first = BufReader::new(two[0].stdout.take().unwrap());
        let mut heard = Vec::new();
        for _ in 0..(3 + round * 2) {
            first.read_until(b'\n', &mut heard).unwrap();
        }
        two.iter_mut().for_each(|child| child.kill().unwrap());
        let [mut one, other] = two;
        one.wait().unwrap();
        let rest = first.lines().map_while(Result::ok);
        let heard = String::from_utf8(heard).unwrap();
        let lines: Vec<String> = heard.lines().map(str::to_owned).chain(rest).collect();
        let lines = lines.iter().filter_map(|line| line.strip_prefix("SAID "));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        for lines in [lines, said(other)] {
            for line in &lines {
                let (sign, ns) = line.split_at(1);
                if sign == "+" {
                    added.insert(ns.to_owned())
                } else {
                    removed.insert(ns.to_owned())
                };
            }
            // The last thing it was told may have been followed by one that it was not told.
            last.extend(lines.last().map(|line| line[1..].to_owned()));
        }
    }
    let store = folder.open();
    let tx = store.read().unwrap();
    let found: BTreeSet<String> =
        tx.attachments().unwrap().iter().map(|record| record.ns.to_string()).collect();
    assert!(added.len() > 100, "{}", added.len());
    for ns in added.difference(&removed).filter(|ns| !last.contains(*ns)) {
        assert!(found.contains(ns), "{ns} was promised");
    }
    for ns in &removed {
        assert!(!found.contains(ns), "{ns} was removed");
    }
    // Whatever was cut off, records, leases and index agree.
    assert_eq!(tx.leases(&web()).unwrap().len(), found.len());
    assert_eq!(tx.count_on(&web()).unwrap(), found.len());
    drop(tx);
    attach(&store, &net, "netns:after").unwrap();
}

#[test]
fn a_killed_process_lets_its_locks_go() {
    if let Some(state) = work() {
        let store = Store::open(&state, &stamp()).unwrap();
        let _alone = store.lock_structure().unwrap();
        let _one = store.lock_sandbox(&Ns::new("netns:a")).unwrap();
        // And it dies in the midst of a transaction.
        let mut tx = store.write().unwrap();
        tx.put(&crate::record("netns:a", &[], &[])).unwrap();
        say("held");
        loop {
            std::thread::park();
        }
    }
    let folder = Folder::new();
    let mut child = start("process::a_killed_process_lets_its_locks_go", &folder.state(), 0);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("SAID held") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it died early");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let store = folder.open();
    let _alone = store.lock_structure().unwrap();
    let _one = store.lock_sandbox(&Ns::new("netns:a")).unwrap();
    let mut tx = store.write().unwrap();
    assert!(tx.attachments().unwrap().is_empty());
    tx.put(&crate::record("netns:a", &[], &[])).unwrap();
    tx.commit().unwrap();
}
