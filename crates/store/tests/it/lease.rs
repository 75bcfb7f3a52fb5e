//! Leases: each address once, in turn, until there are none.

use ropewalk_store::StoreError;

use crate::{Folder, attach, key, network, record, web};

#[test]
fn addresses_are_given_in_turn_until_there_are_none() {
    let folder = Folder::new();
    let (store, net) = (folder.open(), network("10.9.0.0/29"));
    let given: Vec<_> =
        (0..5).map(|n| attach(&store, &net, &format!("netns:c{n}")).unwrap()).collect();
    assert_eq!(given, ["10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6"]);
    let error = attach(&store, &net, "netns:more").unwrap_err();
    assert_eq!(error.to_string(), "network web has no free address left in 10.9.0.0/29 (5 in all)");

    let mut tx = store.write().unwrap();
    assert!(tx.remove(&key("netns:c1")).unwrap());
    assert!(tx.remove(&key("netns:c3")).unwrap());
    tx.commit().unwrap();
    assert_eq!(attach(&store, &net, "netns:x").unwrap(), "10.9.0.3", "after .6 comes .3");
    assert_eq!(attach(&store, &net, "netns:y").unwrap(), "10.9.0.5");
}

#[test]
fn an_address_just_given_back_is_not_the_next() {
    let folder = Folder::new();
    let (store, net) = (folder.open(), network("10.9.0.0/24"));
    assert_eq!(attach(&store, &net, "netns:a").unwrap(), "10.9.0.2");
    let mut tx = store.write().unwrap();
    tx.remove(&key("netns:a")).unwrap();
    tx.commit().unwrap();
    assert_eq!(attach(&store, &net, "netns:a").unwrap(), "10.9.0.3");
}

#[test]
fn a_wish_is_granted_if_it_is_free() {
    let folder = Folder::new();
    let (store, net) = (folder.open(), network("10.9.0.0/24"));
    let subnet = &net.subnets[0];
    let mut tx = store.write().unwrap();
    let wish = |text: &str| Some(text.parse().unwrap());
    assert_eq!(
        tx.lease(&web(), subnet, wish("10.9.0.77"), &key("netns:a")).unwrap().to_string(),
        "10.9.0.77"
    );
    tx.put(&record("netns:a", &["10.9.0.77/24"], &[])).unwrap();
    tx.lease(&web(), subnet, wish("10.9.0.77"), &key("netns:a")).expect("its own already");

    let taken = tx.lease(&web(), subnet, wish("10.9.0.77"), &key("netns:b")).unwrap_err();
    assert_eq!(taken.to_string(), "10.9.0.77 of network web is taken by netns:a eth0");
    let taken = tx.put(&record("netns:b", &["10.9.0.77/24"], &[])).unwrap_err();
    assert!(matches!(taken, StoreError::Taken { .. }), "put asks as well");
    for (text, words) in [
        ("10.8.0.7", "network web: 10.8.0.7 is in no subnet of the network"),
        ("10.9.0.1", "network web: 10.9.0.1 is the gateway of 10.9.0.0/24"),
    ] {
        let error = tx.lease(&web(), subnet, wish(text), &key("netns:b")).unwrap_err();
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn what_is_not_committed_is_not_given() {
    let folder = Folder::new();
    let (store, net) = (folder.open(), network("10.9.0.0/24"));
    let mut tx = store.write().unwrap();
    tx.lease(&web(), &net.subnets[0], None, &key("netns:a")).unwrap();
    tx.put(&record("netns:a", &["10.9.0.2/24"], &["80:80"])).unwrap();
    drop(tx);
    let tx = store.read().unwrap();
    assert!(tx.attachments().unwrap().is_empty());
    assert!(tx.leases(&web()).unwrap().is_empty());
    drop(tx);
    assert_eq!(attach(&store, &net, "netns:b").unwrap(), "10.9.0.2");
}

#[test]
fn leases_follow_the_record() {
    let folder = Folder::new();
    let store = folder.open();
    let mut tx = store.write().unwrap();
    tx.put(&record("netns:a", &["10.9.0.7/24", "fd00:9::7/64"], &[])).unwrap();
    tx.put(&record("netns:a", &["10.9.0.8/24", "fd00:9::7/64"], &[])).unwrap();
    let leases: Vec<_> =
        tx.leases(&web()).unwrap().into_iter().map(|(ip, _)| ip.to_string()).collect();
    assert_eq!(leases, ["10.9.0.8", "fd00:9::7"]);
    let mut moved = record("netns:a", &["10.9.0.8/24"], &[]);
    moved.network = "lan".parse().unwrap();
    tx.put(&moved).unwrap();
    assert!(tx.leases(&web()).unwrap().is_empty());
    assert_eq!(tx.count_on(&web()).unwrap(), 0);
    assert_eq!(tx.holder(&moved.network, [10, 9, 0, 8].into()).unwrap(), Some(key("netns:a")));
    assert_eq!(tx.keys_on(&moved.network).unwrap(), [key("netns:a")]);
}
