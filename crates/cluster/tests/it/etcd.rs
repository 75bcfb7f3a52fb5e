//! The store in real etcds: the contract, certificates and passwords, and every way to go blind.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ropewalk_cluster::keep::etcd::{Access, Etcd};
use ropewalk_cluster::keep::{Fault, Outcome, Store, Watch};
use ropewalk_testnet::Private;

use crate::keeping::{block_on, keeps, news_until, put};

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new("/dev/shm").join(format!("rw-etcd-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that goes with the test.
pub(crate) struct Running(Child);

impl Running {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a member at `ip`, in a namespace of that name if there is one.
fn member(folder: &Folder, name: &str, ip: &str, all: &[(&str, &str)], more: &[&str]) -> Running {
    let tls = more.iter().any(|word| word.starts_with("--cert-file"));
    let client = format!("{}://{ip}:2379", if tls { "https" } else { "http" });
    let peer = |ip: &str| format!("http://{ip}:2380");
    let cluster: Vec<String> =
        all.iter().map(|(name, ip)| format!("{name}={}", peer(ip))).collect();
    let netns = Path::new("/run/netns").join(name).exists();
    let mut command = if netns { Command::new("ip") } else { Command::new("etcd") };
    if netns {
        command.args(["netns", "exec", name, "etcd"]);
    }
    command.args(["--name", name, "--data-dir", &folder.path(name)]);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer(ip), "--initial-advertise-peer-urls", &peer(ip)]);
    command.args(["--initial-cluster", &cluster.join(","), "--log-level", "error"]);
    command.args(["--heartbeat-interval", "50", "--election-timeout", "500"]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("etcd, of Debian's package etcd-server"))
}

pub(crate) fn alone(folder: &Folder, more: &[&str]) -> Running {
    member(folder, "one", "127.0.0.1", &[("one", "127.0.0.1")], more)
}

fn plain(address: &str) -> Etcd {
    Etcd::new(Access::plain(address.parse().unwrap()))
}

/// Waits until the store answers.
pub(crate) async fn up(store: &mut Etcd) -> u64 {
    loop {
        match store.list("/t/").await {
            Ok(listing) => return listing.revision,
            Err(Fault::Away { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Asks etcd's gateway for JSON.
fn post(path: &str, body: &str) {
    let mut stream = TcpStream::connect("127.0.0.1:2379").unwrap();
    let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{path}: {answer}");
}

#[test]
fn etcd_keeps_and_says_when_it_was_compacted_put_back_or_wiped() {
    let _net = Private::enter();
    let folder = Folder::new("keeps");
    let mut process = alone(&folder, &[]);
    block_on(async {
        let mut store = plain("etcd://127.0.0.1:1,127.0.0.1");
        up(&mut store).await;
        assert_eq!(store.member(), Some("127.0.0.1:2379"), "the first one is not there");
        keeps(&mut store).await;
        // Compacted: cancelled without a word, at a revision.
        let Outcome::Done(last) = store.txn(&put("/t/c", "1", &[])).await.unwrap() else {
            panic!()
        };
        post("/v3/kv/compaction", &format!(r#"{{"revision":"{last}"}}"#));
        let blind = store.watch("/t/", 2).await;
        let blind = match blind {
            Ok(mut watch) => watch.next().await.map(|_| ()),
            Err(fault) => Err(fault),
        };
        assert_eq!(blind, Err(Fault::Compacted { oldest: last }));
        store.list("/t/").await.unwrap();
        // More than a page, and more than a message takes unless it is told to.
        for n in 0..51 {
            let writes = (0..100).map(|m| {
                let key = format!("/p/{:04}", n * 100 + m);
                ropewalk_cluster::keep::Write::Put(key, vec![b'x'; 1200])
            });
            let txn =
                ropewalk_cluster::keep::Txn { compares: Vec::new(), writes: writes.collect() };
            store.txn(&txn).await.unwrap();
        }
        let all = store.list("/p/").await.unwrap();
        assert_eq!(all.items.len(), 5100);
        assert!(all.items.is_sorted_by(|a, b| a.key < b.key));
        // Put back: what a watch from there would hear is nothing, for long.
        process.kill();
        let copy = |from: &str, to: &str| {
            let done =
                Command::new("cp").args(["-a", &folder.path(from), &folder.path(to)]).status();
            assert!(done.unwrap().success());
        };
        copy("one", "old");
        process = alone(&folder, &[]);
        up(&mut store).await;
        let mut last = Outcome::Done(0);
        for n in 0..10 {
            last = store.txn(&put("/t/d", &n.to_string(), &[])).await.unwrap();
        }
        let (Outcome::Done(seen) | Outcome::Refused(seen)) = last;
        process.kill();
        std::fs::remove_dir_all(folder.path("one")).unwrap();
        copy("old", "one");
        process = alone(&folder, &[]);
        // One who remembers it from before, as the agent's journal does.
        let mut blind = plain("etcd://127.0.0.1");
        up(&mut blind).await;
        let fault = blind.watch("/t/", seen + 1).await.map(|_| ());
        assert_eq!(fault, Err(Fault::Behind { revision: seen - 10, seen }));
        // And one that was connected all the time.
        let fault = loop {
            match store.list("/t/").await {
                Err(Fault::Away { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => break other,
            }
        };
        assert_eq!(fault, Err(Fault::Behind { revision: seen - 10, seen }));
        store.list("/t/").await.unwrap();
        process.kill();
        std::fs::remove_dir_all(folder.path("one")).unwrap();
        let _wiped = alone(&folder, &[]);
        let fault = loop {
            match store.list("/t/").await {
                Err(Fault::Away { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => break other,
            }
        };
        assert_eq!(fault, Err(Fault::Behind { revision: 1, seen: seen - 10 }));
    });
}

/// Three members, each in a namespace of its own, and this one beside them.
fn three(net: &Private, folder: &Folder) -> Vec<Running> {
    net.sh("ip link add lan type bridge
        ip link set lan up
        ip addr add 10.0.0.1/24 dev lan
        for n in 1 2 3; do
            ip netns add e$n
            ip link add l$n type veth peer name eth0 netns e$n
            ip link set l$n master lan up
            ip -n e$n addr add 10.0.0.1$n/24 dev eth0
            ip -n e$n link set eth0 up
            ip -n e$n link set lo up
        done");
    let all = [("e1", "10.0.0.11"), ("e2", "10.0.0.12"), ("e3", "10.0.0.13")];
    all.iter().map(|(name, ip)| member(folder, name, ip, &all, &[])).collect()
}

#[test]
fn flannel_2470_three_members_and_every_way_for_a_watch_to_go_blind() {
    let net = Private::enter();
    let folder = Folder::new("three");
    let mut members = three(&net, &folder);
    let mut store = plain("etcd://10.0.0.11,10.0.0.12,10.0.0.13");
    let mut writer = plain("etcd://10.0.0.13,10.0.0.12");
    block_on(async {
        // Who asks before the first member answers is sent on to the next.
        up(&mut plain("etcd://10.0.0.11")).await;
        up(&mut store).await;
        up(&mut writer).await;
        // What is written by way of one is heard by way of another.
        assert_eq!(store.member(), Some("10.0.0.11:2379"));
        let revision = store.list("/t/").await.unwrap().revision;
        let mut watch = store.watch("/t/", revision + 1).await.unwrap();
        writer.txn(&put("/t/a", "1", &[])).await.unwrap();
        assert_eq!(news_until(&mut watch, revision + 1).await.events.len(), 1);
        // The member is cut from the others: its client would hear nothing, for ever.
        net.sh("ip netns exec e1 nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }; add rule inet t i tcp dport 2380 drop; add rule inet t i tcp sport 2380 drop'");
        let fault = watch.next().await;
        assert!(
            matches!(&fault, Err(Fault::Away { why, .. }) if why.contains("no leader")),
            "{fault:?}"
        );
        net.sh("ip netns exec e1 nft delete table inet t");
        // It comes back with a later term, so that all elect anew: it answers when that is over.
        up(&mut plain("etcd://10.0.0.11")).await;
        up(&mut plain("etcd://10.0.0.12")).await;
        // The wire to the member is cut.
        let mut store = plain("etcd://10.0.0.12,10.0.0.11,10.0.0.13");
        let revision = up(&mut store).await;
        let mut watch = store.watch("/t/", revision + 1).await.unwrap();
        // (Out of the bridge would not do: its packets would come in by the port itself.)
        net.sh("ip link set l2 down");
        let began = std::time::Instant::now();
        let fault = watch.next().await;
        assert!(matches!(fault, Err(Fault::Away { .. })), "{fault:?}");
        let took = began.elapsed();
        assert!(
            took > Duration::from_secs(4),
            "was it asked whether it is there? {took:?}: {fault:?}"
        );
        // The next call finds another member.
        let listing = loop {
            match store.list("/t/").await {
                Ok(listing) => break listing,
                Err(Fault::Away { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(listing.items.len(), 1);
        assert_ne!(store.member(), Some("10.0.0.12:2379"));
        // Without most of them there is no store.
        members[2].kill();
        let fault = store.txn(&put("/t/b", "1", &[])).await;
        assert!(matches!(fault, Err(Fault::Away { .. })), "{fault:?}");
        net.sh("ip link set l2 up");
        up(&mut store).await;
    });
}

#[test]
fn certificates_of_both_sides_and_passwords() {
    let net = Private::enter();
    let folder = Folder::new("tls");
    let dir = folder.path("");
    net.sh(&format!("cd {dir}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -keyout ca.key -out ca.crt -subj /CN=ca 2>/dev/null
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -keyout other.key -out other.crt -subj /CN=other 2>/dev/null
        echo 'subjectAltName=IP:127.0.0.1' > san
        for who in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $who.key -out $who.csr -subj /CN=$who 2>/dev/null
            openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -extfile san -out $who.crt 2>/dev/null
        done
        openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 0 -extfile san -out expired.crt 2>/dev/null"));
    let flag = |name: &str, file: &str| format!("--{name}={}", folder.path(file));
    let words = [
        flag("cert-file", "server.crt"),
        flag("key-file", "server.key"),
        flag("trusted-ca-file", "ca.crt"),
        "--client-cert-auth".to_owned(),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let process = alone(&folder, &words);
    let mut access = Access::plain("etcds://127.0.0.1".parse().unwrap());
    access.ca = Some(folder.read("ca.crt"));
    access.identity = Some((folder.read("client.crt"), folder.read("client.key")));
    block_on(async {
        let mut store = Etcd::new(access.clone());
        up(&mut store).await;
        keeps(&mut store).await;
        let fault =
            async |access: Access| Etcd::new(access).list("/t/").await.map(|_| ()).unwrap_err();
        let nobody = fault(Access { identity: None, ..access.clone() }).await;
        assert!(
            matches!(&nobody, Fault::Refused { why, .. } | Fault::Away { why, .. } if why.contains("certificate")),
            "{nobody:?}"
        );
        // And without any encryption.
        let plain = fault(Access::plain("etcd://127.0.0.1".parse().unwrap())).await;
        assert!(plain.to_string().contains("etcds://"), "{plain:?}");
        let other = fault(Access { ca: Some(folder.read("other.crt")), ..access.clone() }).await;
        assert!(
            matches!(&other, Fault::Refused { why, .. } if why.contains("certificate")),
            "{other:?}"
        );
        let odd =
            fault(Access { identity: Some((b"x".to_vec(), b"y".to_vec())), ..access.clone() })
                .await;
        assert!(matches!(odd, Fault::Certificates { .. }), "{odd:?}");
        // Expired by now.
        let identity = Some((folder.read("expired.crt"), folder.read("client.key")));
        let expired = fault(Access { identity, ..access.clone() }).await;
        assert!(
            matches!(&expired, Fault::Certificates { why } if why.contains("has expired, on 20")),
            "{expired:?}"
        );
    });
    drop(process);
    std::fs::remove_dir_all(folder.path("one")).unwrap();

    let _process = alone(&folder, &[]);
    let mut access = Access::plain("etcd://root@127.0.0.1".parse().unwrap());
    block_on(async {
        up(&mut plain("etcd://127.0.0.1")).await;
        post("/v3/auth/user/add", r#"{"name":"root","password":"right"}"#);
        post("/v3/auth/role/add", r#"{"name":"root"}"#);
        post("/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#);
        post("/v3/auth/enable", "{}");
        let refused = plain("etcd://127.0.0.1").list("/t/").await;
        assert!(matches!(refused, Err(Fault::Refused { .. })), "{refused:?}");
        access.password = Some("wrong".into());
        let wrong = Etcd::new(access.clone()).list("/t/").await;
        assert!(
            matches!(&wrong, Err(Fault::Refused { why, .. }) if why.contains("password")),
            "{wrong:?}"
        );
        access.password = Some("right".into());
        keeps(&mut Etcd::new(access)).await;
    });
}
