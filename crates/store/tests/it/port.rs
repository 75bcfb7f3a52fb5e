//! Claims: one holder for each port of each address of the host.

use ropewalk_store::StoreError;

use crate::{Folder, key, record};

#[test]
fn ports_conflict_where_one_packet_could_mean_both() {
    for (held, asked, conflict) in [
        ("80:1", "80:2", true),
        ("80:1", "80:1/udp", false),
        ("80:1/udp", "80:1/udp", true),
        ("80:1/sctp", "80:1", false),
        ("80:1", "81:1", false),
        ("80-90:80-90", "85:1", true),
        ("85:1", "80-90:80-90", true),
        ("80-84:80-84", "85-89:85-89", false),
        ("80:1", "192.0.2.1:80:1", true),
        ("192.0.2.1:80:1", "80:1", true),
        ("192.0.2.1:80:1", "192.0.2.1:80:1", true),
        ("192.0.2.1:80:1", "192.0.2.2:80:1", false),
        ("192.0.2.1:80:1", "0.0.0.0:80:1", true),
        ("0.0.0.0:80:1", "[::]:80:1", false),
        ("0.0.0.0:80:1", "80:1", true),
        ("[::]:80:1", "80:1", true),
        ("[2001:db8::1]:80:1", "[::]:80:1", true),
        ("[2001:db8::1]:80:1", "0.0.0.0:80:1", false),
        ("[2001:db8::1]:80:1", "[2001:db8::2]:80:1", false),
    ] {
        let folder = Folder::new();
        let store = folder.open();
        let mut tx = store.write().unwrap();
        tx.put(&record("netns:a", &[], &[held])).unwrap();
        let put = tx.put(&record("netns:b", &[], &[asked]));
        assert_eq!(put.is_err(), conflict, "{held} held, {asked} asked for");
        tx.put(&record("netns:a", &[], &[held])).expect("its own are no conflict");
    }
}

#[test]
fn the_holder_is_named() {
    let folder = Folder::new();
    let store = folder.open();
    let mut tx = store.write().unwrap();
    tx.put(&record("docker:web", &[], &["8000-8010:80-90"])).unwrap();
    let error = tx.put(&record("netns:b", &[], &["127.0.0.1:8005:80"])).unwrap_err();
    assert_eq!(error.to_string(), "port 8005/tcp of the host is taken by docker:web eth0");
    let StoreError::PortTaken { publish, port, holder } = error else { panic!("{error}") };
    assert_eq!((publish.to_string().as_str(), port), ("127.0.0.1:8005:80/tcp", 8005));
    assert_eq!(*holder, key("docker:web"));
}

#[test]
fn ports_follow_the_record() {
    let folder = Folder::new();
    let store = folder.open();
    let mut tx = store.write().unwrap();
    tx.put(&record("netns:a", &[], &["80:80", "81:81"])).unwrap();
    tx.put(&record("netns:a", &[], &["81:81", "82:82"])).unwrap();
    tx.put(&record("netns:b", &[], &["80:80"])).expect("80 was given back");
    assert!(tx.put(&record("netns:c", &[], &["81:81"])).is_err());
    assert!(tx.put(&record("netns:c", &[], &["82:82"])).is_err());
    tx.put(&record("netns:a", &[], &["82:1"])).expect("its own, to another port");
    tx.remove(&key("netns:a")).unwrap();
    tx.put(&record("netns:c", &[], &["81:81", "82:82"])).expect("all were given back");
}
