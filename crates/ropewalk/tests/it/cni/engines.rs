//! Container engines that call CNI plugins themselves, with configurations as they write them: containerd by CRI,
//! `ctr run --cni`, podman. With Debian's plugins, which shows that the tests are right, and with ropewalk's.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ropewalk_testnet::Private;
use ropewalk_testnet::engines::{Engine, IMAGE};

use super::cri::{Cri, Pod};
use super::{DEBIANS, Whose};

/// As containerd's own script writes it, with the plugins that Kubernetes adds.
const LIST: &str = r#"{
  "cniVersion": "1.0.0", "name": "containerd-net",
  "plugins": [
    { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
      "ipam": { "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
        "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "2001:db8:4860::/64" }]] } },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "firewall" },
    { "type": "bandwidth", "capabilities": { "bandwidth": true } }
  ]
}"#;

/// A server that tells whose it is.
const SERVER: &str =
    "mkdir -p /www && echo from-$(hostname) >/www/index.html && exec httpd -f -p 80 -h /www";

/// Fetches a page, from where it is run.
fn fetch(address: &str) -> String {
    format!(
        "for n in 1 2 3 4 5 6 7 8; do busybox wget -qO- http://{address}/ && exit
        sleep 0.2; done; exit 1"
    )
}

/// A folder of plugins, gone with the test: ropewalk's, and Debian's for those that it is not yet.
struct Plugins(PathBuf);

impl Plugins {
    fn of(whose: Whose) -> Self {
        let folder = std::env::temp_dir().join(format!("ropewalk-plugins-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        let plugins = Self(folder);
        let own = |name: &str| {
            whose == Whose::Ours && ropewalk_cni::Plugin::ALL.iter().any(|(own, _)| *own == name)
        };
        for file in std::fs::read_dir(DEBIANS).expect("Debian's plugins").flatten() {
            let name = file.file_name().into_string().expect("a name");
            let program =
                if own(&name) { env!("CARGO_BIN_EXE_ropewalk").into() } else { file.path() };
            symlink(program, plugins.0.join(name)).expect("a link");
        }
        plugins
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Whether it is ropewalk that wires containers, and so takes everything away again.
fn bridge_is_ours(whose: Whose) -> bool {
    whose == Whose::Ours && ropewalk_cni::Plugin::called("bridge").is_some()
}

/// What containers may leave on the host: links, leases, and rules with an address or port of theirs.
/// Debian's plugins leave rules when an engine forgot the namespace.
fn nothing_is_left(engine: &Engine, whose: Whose) {
    let left = engine.sh("ip -o link | sed 's/^[0-9]*: //; s/[@:].*//' | grep -v -e '^cni' -e '^lo' || true
        ls /var/lib/cni/networks/*/ 2>/dev/null | grep -v -e : -e '^$' -e last_reserved -e lock || true");
    assert_eq!(left, "");
    let rules = "nft -s list ruleset 2>/dev/null | grep -E '8080|10[.]88[.]0[.][2-9]' || true";
    if bridge_is_ours(whose) {
        assert_eq!(engine.sh(rules), "");
    }
}

/// Pods with two containers, a published port and rates; containerd is started again in between.
fn pods(whose: Whose) {
    let (net, plugins) = (Private::enter(), Plugins::of(whose));
    let mut engine = Engine::containerd(&net, &plugins.0, LIST);
    let cri = Cri::at(&engine.socket());
    let cgroup = engine.sh("echo /$NAME").trim().to_owned();
    let web = Pod { name: "web", ports: &[(8080, 80)], rate: Some("8M"), cgroup: &cgroup };
    let id = cri.run_pod(&web);
    cri.run(&web, &id, "server", IMAGE, SERVER);
    cri.run(&web, &id, "client", IMAGE, "sleep 600");
    let address = cri.address(&id);
    assert!(address.starts_with("10.88.0."), "{address}");
    for place in [address.as_str(), "127.0.0.1:8080", "10.88.0.1:8080"] {
        assert_eq!(engine.sh(&fetch(place)), "from-web\n", "{place}");
    }
    let rates = engine.sh("tc qdisc");
    assert_eq!(rates.matches("rate 8Mbit").count(), 2, "{rates}");

    engine.restart();
    let other = Pod { name: "other", ports: &[], rate: None, cgroup: &cgroup };
    let second = cri.run_pod(&other);
    assert_ne!(cri.address(&second), address);
    let asks = format!("until wget -qO- http://{address}/ >/got; do sleep 0.2; done; sleep 600");
    cri.run(&other, &second, "asker", IMAGE, &asks);
    let got = "for n in $(seq 50); do
        cat $DIR/state/io.containerd.runtime.v2.task/k8s.io/*/rootfs/got 2>/dev/null | grep . && exit
        sleep 0.1; done; exit 1";
    assert_eq!(engine.sh(got), "from-web\n");

    cri.stop(&id);
    cri.remove(&id);
    assert!(!engine.try_sh("busybox wget -qO- http://127.0.0.1:8080/").0);
    if bridge_is_ours(whose) {
        collected(&engine);
    }
    cri.stop(&second);
    cri.remove(&second);
    nothing_is_left(&engine, whose);
}

/// GC that knows of no container takes the pod away that runs.
fn collected(engine: &Engine) {
    let list: serde_json::Value = serde_json::from_str(LIST).expect("the list");
    for plugin in list["plugins"].as_array().expect("plugins") {
        let mut conf = plugin.clone();
        conf["cniVersion"] = "1.1.0".into();
        conf["name"] = list["name"].clone();
        conf["cni.dev/valid-attachments"] = serde_json::json!([]);
        let kind = plugin["type"].as_str().expect("a type");
        let call =
            format!("echo '{conf}' | CNI_COMMAND=GC CNI_PATH=/opt/cni/bin /opt/cni/bin/{kind}");
        assert_eq!(engine.sh(&call), "");
    }
    nothing_is_left(engine, Whose::Ours);
}

fn ctr(whose: Whose) {
    let (net, plugins) = (Private::enter(), Plugins::of(whose));
    let engine = Engine::containerd(&net, &plugins.0, LIST);
    let run = "ctr run --rm --cni --cgroup /$NAME/ctr $IMAGE:latest one ip -o addr show eth0";
    let said = engine.sh(run);
    assert!(said.contains("10.88.0.2/16") && said.contains("2001:db8:4860::2/64"), "{said}");
    nothing_is_left(&engine, whose);
}

/// A network that podman writes, and containers on it.
fn podman(whose: Whose) {
    let (net, plugins) = (Private::enter(), Plugins::of(whose));
    let engine = Engine::podman_cni(&net, &plugins.0);
    engine.sh("podman network create --disable-dns --subnet 10.77.0.0/24 blue");
    let list = engine.sh("cat $DIR/networks/blue.conflist");
    for plugin in ["bridge", "portmap", "firewall", "tuning"] {
        assert!(list.contains(&format!("\"type\": \"{plugin}\"")), "{plugin}: {list}");
    }
    engine.sh(&format!(
        "podman run --detach --name web --hostname web --network blue --publish 8080:80 \
            $IMAGE sh -c '{SERVER}'"
    ));
    let inspect = "podman inspect --format '{{.NetworkSettings.Networks.blue.IPAddress}}' web";
    assert_eq!(engine.sh(inspect), "10.77.0.2\n");
    assert_eq!(engine.sh(&fetch("127.0.0.1:8080")), "from-web\n");
    let asks = fetch("10.77.0.2").replace("busybox ", "");
    let other = format!("podman run --rm --network blue $IMAGE sh -c '{asks}'");
    assert_eq!(engine.sh(&other), "from-web\n");
    engine.sh("podman rm --force --time 0 web; podman network rm blue");
    assert!(!engine.try_sh("busybox wget -qO- http://127.0.0.1:8080/").0);
    let left =
        engine.sh("nft -s list ruleset 2>/dev/null | grep -E '8080|10[.]77[.]0[.][2-9]' || true");
    assert_eq!(left, "");
}

#[test]
fn containerd_runs_pods_with_debians_plugins() {
    pods(Whose::Debians);
}

#[test]
fn containerd_runs_pods_with_ropewalk() {
    pods(Whose::Ours);
}

#[test]
fn ctr_runs_a_container_with_debians_plugins() {
    ctr(Whose::Debians);
}

#[test]
fn ctr_runs_a_container_with_ropewalk() {
    ctr(Whose::Ours);
}

#[test]
fn podman_runs_containers_with_debians_plugins() {
    podman(Whose::Debians);
}

#[test]
fn podman_runs_containers_with_ropewalk() {
    podman(Whose::Ours);
}
