//! Fifty hosts at once, and a store that a later version writes.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_cluster::keep::etcd::{Access, Etcd};
use ropewalk_cluster::keep::{Embedded, Store};
use ropewalk_cluster::own::{Alarm, Journal, Local, Standing, decide};
use ropewalk_cluster::verbs::{self, Refused};
use ropewalk_cluster::{ANEW, Host, HostId, Member, Meta, Net, PREFIX, Place, Pool, SCHEMA};
use ropewalk_spec::NetworkName;
use ropewalk_testnet::Private;

use crate::etcd::{Folder, alone};
use crate::keeping::{block_on, put};

const HOSTS: u8 = 50;

fn journal(n: u8) -> Journal {
    let (name, token) = (format!("h{n}"), format!("t{n}"));
    let me = Host { name, token, generation: 1, addresses: Vec::new(), mtu: None };
    Journal::new(HostId::new(u128::from(n)), me, "c".into())
}

/// Sixty-four blocks.
fn net() -> (NetworkName, Net) {
    let pool = Pool { net: "10.5.0.0/20".parse().unwrap(), len: 26, exclude: Vec::new() };
    let spec = ropewalk_spec::RawNetwork::default();
    ("web".parse().unwrap(), Net { spec, pools: vec![pool] })
}

/// Goes on until the host holds so many blocks.
async fn claims<S: Store>(store: S, n: u8, blocks: usize) -> BTreeSet<Place> {
    let mut member = Member::new(store, ANEW);
    let mut journal = journal(n);
    let (name, net) = net();
    let wants = BTreeMap::from([((name, net.pools[0].net), blocks)]);
    let local = Local { now: 1, wants, ..Local::default() };
    while journal.held.len() < blocks {
        // A store that elects a leader is away for a moment.
        if member.hear().await.is_err() {
            continue;
        }
        let decision = decide(member.view().unwrap(), &journal, &local);
        journal = decision.journal;
        let _again = member.send(&decision.txns).await;
    }
    journal.held.into_keys().collect()
}

#[test]
fn flannel_520_fifty_hosts_that_begin_at_once_get_the_last_blocks_and_no_two_the_same() {
    let _net = Private::enter();
    let folder = Folder::new("crowd");
    let _store = alone(&folder, &[]);
    let etcd = || Etcd::new(Access::plain("etcd://127.0.0.1".parse().unwrap()));
    let (name, net) = net();
    let first = block_on(async {
        crate::etcd::up(&mut etcd()).await;
        verbs::cluster(&mut etcd(), "c").await.unwrap();
        verbs::create(&mut etcd(), &name, &net).await.unwrap();
        claims(etcd(), HOSTS, 4).await
    });
    let began = std::time::Instant::now();
    let mut taken = Vec::from_iter(first);
    std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..HOSTS).map(|n| scope.spawn(move || block_on(claims(etcd(), n, 1)))).collect();
        taken.extend(all.into_iter().flat_map(|host| host.join().unwrap()));
    });
    eprintln!("{HOSTS} hosts: {} ms", began.elapsed().as_millis());
    let different: BTreeSet<&Place> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (54, 54), "{taken:?}");
}

#[test]
fn a_store_that_a_later_version_writes_is_only_read() {
    let path = std::env::temp_dir().join(format!("rw-later-{}", std::process::id()));
    let mut store = Embedded::new(path.join("store.json"));
    block_on(async {
        let host = verbs::cluster(&mut store, "c").await.and(Ok(journal(1))).unwrap();
        let host = verbs::join(&mut store, host, 1).await.unwrap();
        let (name, net) = net();
        verbs::create(&mut store, &name, &net).await.unwrap();
        let later = Meta { schema: SCHEMA + 1, cluster: "c".into() };
        let later = serde_json::to_string(&later).unwrap();
        store.txn(&put(&format!("{PREFIX}meta"), &later, &[])).await.unwrap();
        let before = store.list("").await.unwrap();
        let other: NetworkName = "other".parse().unwrap();
        let all = [
            verbs::create(&mut store, &other, &net).await,
            verbs::forget(&mut store, &name).await,
            verbs::drain(&mut store, &host.host, false).await,
            verbs::remove(&mut store, &host.host, 1).await,
            verbs::join(&mut store, journal(2), 1).await.map(drop),
        ];
        for refused in all {
            let newer = matches!(&refused, Err(Refused::Alarm(Alarm::Newer { schema: 2 })));
            assert!(newer, "{refused:?}");
        }
        // Nor does the agent write; what is the host's stays.
        let view = verbs::view(&mut store).await.unwrap();
        let decision = decide(&view, &host, &Local::default());
        assert_eq!((decision.txns.len(), decision.journal.standing), (0, Standing::Member));
        assert_eq!(store.list("").await.unwrap(), before);
    });
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_host_that_was_installed_anew_is_told_who_has_its_address() {
    let path = std::env::temp_dir().join(format!("rw-anew-{}", std::process::id()));
    let mut store = Embedded::new(path.join("store.json"));
    let at = |n: u8, ip: &str| {
        let mut journal = journal(n);
        journal.me.addresses = vec![ip.parse().unwrap()];
        journal
    };
    block_on(async {
        verbs::cluster(&mut store, "c").await.unwrap();
        let first = verbs::join(&mut store, at(1, "192.168.1.11"), 1).await.unwrap();
        let before = store.list("").await.unwrap();
        let refused = verbs::join(&mut store, at(2, "192.168.1.11"), 1).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "host h1 of the cluster, 00000000000000000000000000000001, is reached at 192.168.1.11 already"
        );
        assert_eq!(store.list("").await.unwrap(), before);
        // The same host again, another at another address, and one in the place of one that was taken out.
        verbs::join(&mut store, first, 1).await.unwrap();
        verbs::join(&mut store, at(3, "192.168.1.13"), 1).await.unwrap();
        verbs::remove(&mut store, &HostId::new(1), 1).await.unwrap();
        verbs::join(&mut store, at(2, "192.168.1.11"), 1).await.unwrap();
    });
    std::fs::remove_dir_all(&path).unwrap();
}
