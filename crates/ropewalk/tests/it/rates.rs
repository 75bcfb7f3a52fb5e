//! Rates: they hold, also against a sandbox that is root, and are looked after.

use ropewalk_testnet::speed::{Flow, Length};
use serde_json::json;

use crate::host::{Host, same};

/// Two sandboxes, of which `red` may receive 16 Mbit/s and send 8.
fn limited(network: &str) -> Host {
    let host = Host::new();
    host.ok(&format!("network create web {network} --subnet 10.9.0.0/24"));
    host.ok("attach new:red web --ip 10.9.0.8 --rate-in 16M --rate-out 8M");
    host.ok("attach new:blue web --ip 10.9.0.9");
    host
}

/// Millions of bits a second that arrive at `to` from `from`.
fn speed(host: &Host, from: &str, to: &str, udp: bool) -> f64 {
    let address = if to == "red" { "10.9.0.8" } else { "10.9.0.9" };
    let udp = udp.then_some(30_000_000);
    let flow = Flow {
        from: &format!("ip netns exec {from}"),
        to: &format!("ip netns exec {to}"),
        address,
        port: if udp.is_some() { 5202 } else { 5201 },
        length: Length::Seconds(2),
        udp,
    };
    host.net.speed(&flow).expect("a speed").mbits
}

/// A machine that is busy may be slower, but nothing is faster: a second and a half of traffic that
/// is not limited would be a hundred times that.
fn is_about(what: &str, wanted: f64, found: f64) {
    assert!(found > 0.5 * wanted && found < 1.15 * wanted, "{what}: {found} of {wanted} Mbit/s");
}

#[test]
fn a_sandbox_moves_no_more_than_it_may() {
    for network in ["--mode bridge", "--mode routed"] {
        let host = limited(network);
        for udp in [false, true] {
            is_about(&format!("{network} in, {udp}"), 16.0, speed(&host, "blue", "red", udp));
            is_about(&format!("{network} out, {udp}"), 8.0, speed(&host, "red", "blue", udp));
        }
    }
}

#[test]
fn a_sandbox_that_is_root_cannot_lift_its_rates() {
    let host = limited("--mode bridge");
    let (_, _) = host.net.try_sh(
        "exec 2>&1; inside='ip netns exec red'
        $inside tc qdisc del dev eth0 root; $inside tc qdisc del dev eth0 ingress
        $inside tc qdisc add dev eth0 root tbf rate 1gbit burst 1mb limit 1mb
        $inside ip link set eth0 mtu 68; $inside ip link set eth0 down
        $inside ip link set eth0 mtu 1500 up address 02:00:00:00:00:01
        $inside ip route add default via 10.9.0.1",
    );
    is_about("out", 8.0, speed(&host, "red", "blue", false));
    is_about("in", 16.0, speed(&host, "blue", "red", false));
}

#[test]
fn rates_are_shown_checked_repaired_and_removed() {
    let host = Host::new();
    let before = host.trace();
    host.ok("network create web --subnet 10.9.0.0/24");
    let red = host.json("attach new:red web --rate-in 10M --rate-out 1.5M/64k");
    assert_eq!((&red["rate_in"], &red["rate_out"]), (&json!("10M"), &json!("1.5M/64k")));
    assert_eq!(host.json("ps")[0]["rate_out"], json!("1.5M/64k"));
    let ps = host.ok("ps");
    assert!(ps.contains("RATES") && ps.contains("in 10M") && ps.contains("out 1.5M/64k"), "{ps}");
    // What shapes is no doubt of a packet's way.
    let why = host.json("why red 10.9.0.1 --no-live --visible host,red");
    assert_eq!((&why["code"], &why["certainty"]), (&json!("OK"), &json!("predicted")), "{why:#}");
    let again = "attach new:red web --rate-in 11M";
    host.refuses(again, 1, &["eth0 receives at 10M", "[already-attached]"]);
    let leg = red["leg"].as_str().expect("a leg");
    let ifb = leg.replacen("rw", "ro", 1);
    for broken in [
        format!("tc qdisc del dev {leg} root"),
        format!("tc qdisc replace dev {leg} root tbf rate 1gbit burst 1mb limit 1mb"),
        format!("tc filter del dev {leg} ingress"),
        format!("tc qdisc del dev {leg} ingress"),
        format!("ip link set {ifb} down"),
        format!("ip link del {ifb}"),
    ] {
        host.net.sh(&broken);
        let found = host.run("check");
        assert_eq!(found.status, Some(3), "{broken}: {found:?}");
        host.ok("repair");
        assert_eq!(host.json("check"), json!([]), "{broken}");
    }
    let all = host.json("ps --all");
    let mut rows = all.as_array().expect("rows").iter();
    let row = rows.find(|row| row["interface"] == json!(ifb)).expect("the ifb");
    assert_eq!(row["owner"], json!("netns:red on web"));
    host.net.sh(&format!(
        "ip netns del red; while ip link show {leg} >/dev/null 2>&1; do sleep 0.05; done"
    ));
    assert_eq!(host.json("gc").as_array().map(Vec::len), Some(1));
    assert!(!host.net.try_sh(&format!("ip link show {ifb}")).0, "the sandbox is gone");
    host.ok("attach new:red web --rate-out 1M");
    host.ok("detach netns:red");
    host.net.sh("ip netns del red 2>/dev/null || true");
    host.ok("network rm web");
    same(&host.trace(), &before, "in all");
}

#[test]
fn links_tell_people_whose_they_are() {
    let host = limited("--mode routed");
    let links = host.net.sh("ip link");
    for alias in ["alias red:eth0\n", "alias red:eth0 out\n", "alias blue:eth0\n"] {
        assert!(links.contains(alias), "{alias}{links}");
    }
}

#[test]
fn what_is_no_rate_is_refused() {
    let host = Host::new();
    host.ok("network create web --subnet 10.9.0.0/24");
    host.net.sh("ip link add up0 type ifb; ip link set up0 up");
    host.ok("network create lan --mode macvlan --parent up0 --subnet 10.0.0.0/24 --range 10.0.0.9-10.0.0.9");
    let words = ["rate_out: with mode macvlan nothing of the host", "uplink or vxlan"];
    host.refuses("attach new:red lan --rate-out 1M", 2, &words);
    for odd in ["fast", "10", "10M/0", "1M/1G", "10m"] {
        host.refuses(
            &format!("attach new:red web --rate-in {odd}"),
            2,
            &["is not a rate", "10M/64k"],
        );
    }
}
