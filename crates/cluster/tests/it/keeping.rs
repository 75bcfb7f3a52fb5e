//! What every kind of store does: the same calls to each.

use std::time::Duration;

use ropewalk_cluster::keep::{
    Compare, Embedded, Event, Fault, News, Outcome, Store, Txn, Watch, Write,
};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A runtime as the agent has.
pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.expect("in time") })
}

pub(crate) fn put(key: &str, value: &str, compares: &[Compare]) -> Txn {
    let writes = vec![Write::Put(key.into(), value.as_bytes().to_vec())];
    Txn { compares: compares.to_vec(), writes }
}

/// News until those of `revision` are there, as one.
pub(crate) async fn news_until<W: Watch>(watch: &mut W, revision: u64) -> News {
    let mut all = News { revision: 0, events: Vec::new() };
    while all.revision < revision {
        let news = watch.next().await.unwrap();
        all.revision = news.revision;
        all.events.extend(news.events);
    }
    all
}

/// The contract.
pub(crate) async fn keeps<S: Store>(store: &mut S) {
    let empty = store.list("/t/").await.unwrap();
    assert_eq!(empty.items, []);
    let absent = put("/t/a", "1", &[Compare::Absent("/t/a".into())]);
    let Outcome::Done(first) = store.txn(&absent).await.unwrap() else { panic!("refused") };
    assert!(first > empty.revision);
    assert_eq!(store.txn(&absent).await.unwrap(), Outcome::Refused(first));
    let mut watch = store.watch("/t/", first + 1).await.unwrap();

    // All writes or none, in one revision; what is beside the prefix is not heard of.
    let mut both = put("/t/b", "2", &[Compare::Modified("/t/a".into(), first)]);
    both.writes.push(Write::Delete("/t/a".into()));
    both.writes.push(Write::Put("/u/b".into(), b"x".to_vec()));
    let Outcome::Done(second) = store.txn(&both).await.unwrap() else { panic!("refused") };
    assert!(matches!(store.txn(&both).await.unwrap(), Outcome::Refused(_)), "done once");
    let again = put("/t/b", "3", &[Compare::Modified("/t/b".into(), second)]);
    let Outcome::Done(third) = store.txn(&again).await.unwrap() else { panic!("refused") };

    let news = news_until(&mut watch, third).await;
    let told: Vec<String> =
        news.events.iter().map(|(at, event)| format!("{} {}", at - first, shown(event))).collect();
    let mut sorted = told.clone();
    sorted.sort();
    assert_eq!(sorted, ["1 /t/a gone", "1 /t/b 2", "2 /t/b 3"], "{told:?}");

    let listing = store.list("/t/").await.unwrap();
    assert_eq!(listing.revision, third);
    let [item] = listing.items.as_slice() else { panic!("{listing:?}") };
    assert_eq!((item.key.as_str(), item.value.as_slice()), ("/t/b", b"3".as_slice()));
    assert_eq!((item.created, item.modified), (second, third));

    // One who comes late hears all from where it asks, in order.
    let mut late = store.watch("/t/", first).await.unwrap();
    let news = news_until(&mut late, third).await;
    assert_eq!(
        news.events.first().map(|(at, event)| (*at, shown(event))),
        Some((first, "/t/a 1".into()))
    );
    assert_eq!(news.events.len(), 4);
}

fn shown(event: &Event) -> String {
    match event {
        Event::Put(item) => format!("{} {}", item.key, String::from_utf8_lossy(&item.value)),
        Event::Gone { key } => format!("{key} gone"),
    }
}

#[test]
fn the_hosts_own_file_keeps() {
    let folder = std::env::temp_dir().join(format!("rw-cluster-{}", std::process::id()));
    let mut store = Embedded::new(folder.join("store.json"));
    block_on(keeps(&mut store));
    // It forgets what changed long ago, and says so.
    block_on(async {
        for n in 0..21 {
            let writes = (0..50).map(|m| Write::Put(format!("/t/{m}"), n.to_string().into_bytes()));
            let txn = Txn { compares: Vec::new(), writes: writes.collect() };
            store.txn(&txn).await.unwrap();
        }
        let far = store.watch("/t/", 1).await.map(|_| ());
        assert!(matches!(far, Err(Fault::Compacted { .. })), "{far:?}");
        let future = store.watch("/t/", 5000).await.map(|_| ());
        assert!(matches!(future, Err(Fault::Behind { seen: 4999, .. })), "{future:?}");
        // Who opens it later finds it.
        let listing = store.list("/t/").await.unwrap();
        let mut later = Embedded::new(folder.join("store.json"));
        assert_eq!(later.list("/t/").await.unwrap(), listing);
        // Cut short, it is said and nothing is put in its place.
        std::fs::write(folder.join("store.json"), "{").unwrap();
        let broken = later.txn(&put("/t/n", "1", &[])).await;
        assert!(matches!(broken, Err(Fault::Database { .. })), "{broken:?}");
        assert_eq!(std::fs::read(folder.join("store.json")).unwrap(), b"{");
    });
    std::fs::remove_dir_all(&folder).unwrap();
}
