//! Records: written, read back, found by namespace and by network, and gone.

use ropewalk_facts::{Body, IfName, Link, LinkKind, Ns, Peer, Snapshot};
use ropewalk_plan::Plan;
use ropewalk_store::{State, Store, StoreError};

use crate::{Folder, key, network_record, record, web};

fn put(store: &Store, records: &[ropewalk_store::AttachmentRecord]) {
    let mut tx = store.write().unwrap();
    records.iter().for_each(|record| tx.put(record).unwrap());
    tx.commit().unwrap();
}

#[test]
fn a_record_reads_back_equal_with_its_plan_and_changes() {
    let folder = Folder::new();
    let store = folder.open();
    let mut full = record("netns:a", &["10.9.0.7/24", "fd00:9::7/64"], &["8080:80", "53:53/udp"]);
    let (leg, eth0) = (IfName::new("rwleg").unwrap(), IfName::new("eth0").unwrap());
    let mut plan = Plan::new();
    let peer = Peer { ns: Ns::new("netns:a"), name: eth0 };
    let mut link = Link::up(leg.clone(), LinkKind::Veth { peer: Some(peer) });
    link.altnames.insert("ropewalk.netns-a.eth0".to_owned());
    plan.create(&Ns::HOST, Body::Link(link)).unwrap();
    full.changes = ropewalk_plan::predict(&plan, &mut Snapshot::default()).unwrap();
    assert!(!full.changes.is_empty());
    (full.plan, full.leg, full.state) = (plan, leg, State::Ready);
    full.mac = Some("02:00:00:00:00:07".parse().unwrap());
    put(&store, std::slice::from_ref(&full));
    assert_eq!(store.read().unwrap().attachment(&full.key()).unwrap(), Some(full));
}

#[test]
fn attachments_are_found_by_namespace_and_by_network() {
    let folder = Folder::new();
    let store = folder.open();
    let mut second = record("pid:1", &[], &[]);
    second.ifname = IfName::new("eth1").unwrap();
    second.network = "lan".parse().unwrap();
    put(&store, &[record("pid:12", &[], &[]), record("pid:1", &[], &[]), second.clone()]);
    let tx = store.read().unwrap();
    let names = |records: Vec<ropewalk_store::AttachmentRecord>| -> Vec<String> {
        records.iter().map(|record| record.key().to_string()).collect()
    };
    assert_eq!(names(tx.attachments().unwrap()), ["pid:1 eth0", "pid:1 eth1", "pid:12 eth0"]);
    assert_eq!(names(tx.attachments_of(&Ns::new("pid:1")).unwrap()), ["pid:1 eth0", "pid:1 eth1"]);
    assert_eq!(names(tx.attachments_on(&web()).unwrap()), ["pid:1 eth0", "pid:12 eth0"]);
    assert_eq!(names(tx.attachments_on(&second.network).unwrap()), ["pid:1 eth1"]);
    assert_eq!(tx.count_on(&web()).unwrap(), 2);
}

#[test]
fn a_removed_attachment_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    put(&store, &[record("netns:a", &["10.9.0.7/24"], &["80:80"])]);
    let mut tx = store.write().unwrap();
    assert!(tx.remove(&key("netns:a")).unwrap());
    assert!(!tx.remove(&key("netns:a")).unwrap());
    assert_eq!(tx.attachment(&key("netns:a")).unwrap(), None);
    assert!(tx.leases(&web()).unwrap().is_empty() && tx.keys_on(&web()).unwrap().is_empty());
}

#[test]
fn a_network_goes_when_its_attachments_have_gone() {
    let folder = Folder::new();
    let store = folder.open();
    let net = network_record("10.9.0.0/24");
    let mut tx = store.write().unwrap();
    tx.put_network(&net).unwrap();
    assert_eq!(tx.network(&web()).unwrap().as_ref(), Some(&net));
    let first = tx.lease(&web(), &net.network.subnets[0], None, &key("netns:a")).unwrap();
    tx.put(&record("netns:a", &[&format!("{first}/24")], &[])).unwrap();
    let error = tx.remove_network(&web()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { count: 1, .. }), "{error}");
    tx.remove(&key("netns:a")).unwrap();
    assert!(tx.remove_network(&web()).unwrap());
    assert!(tx.networks().unwrap().is_empty());
    let again = tx.lease(&web(), &net.network.subnets[0], None, &key("netns:a")).unwrap();
    assert_eq!(again, first, "a new network begins anew");
}

#[test]
fn a_namespace_with_an_endless_name_is_refused() {
    let folder = Folder::new();
    let store = folder.open();
    let long = format!("/{}", "x".repeat(500));
    let mut tx = store.write().unwrap();
    let error = tx.put(&record(&long, &[], &[])).unwrap_err();
    assert!(matches!(error, StoreError::Key { .. }), "{error}");
}
