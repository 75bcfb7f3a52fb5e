//! What gets through a published port, from where and as whom.

use serde_json::{Value, json};

use super::{closed, dual, mapped, open, port, usual};
use crate::Host;
use crate::check::{Held, same};

pub(super) fn tcp(host: &Host) -> Held {
    usual(host, json!({}))?;
    open(host).map(drop)
}

pub(super) fn udp(host: &Host) -> Held {
    host.lan()?;
    host.add(&mapped(&[port(5353, 53, "udp")], json!({})), "c1")?;
    let _server = host.serve("c1", "udp", "10.9.0.2:53")?;
    host.reaches("lan", "udp", "192.0.2.1:5353", "c1").map(drop)
}

pub(super) fn sees_client(host: &Host) -> Held {
    usual(host, json!({}))?;
    same("whom c1 sees", "192.0.2.9", &open(host)?.into())
}

pub(super) fn from_host(host: &Host) -> Held {
    usual(host, json!({}))?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    for address in ["192.0.2.1:8080", "10.9.0.1:8080", "127.0.0.1:8080"] {
        host.reaches("", "tcp", address, "c1")?;
    }
    Ok(())
}

pub(super) fn hairpin(host: &Host) -> Held {
    host.lan()?;
    let mut net = mapped(&[port(8080, 80, "tcp")], json!({}));
    if let Some(first) = net.plugins.first_mut() {
        first["hairpinMode"] = true.into();
    }
    host.add(&net, "c1")?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    host.reaches("c1", "tcp", "192.0.2.1:8080", "c1").map(drop)
}

pub(super) fn from_others(host: &Host) -> Held {
    usual(host, json!({}))?;
    host.add(&mapped(&[], json!({})), "c2")?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    for address in ["192.0.2.1:8080", "10.9.0.1:8080"] {
        host.reaches("c2", "tcp", address, "c1")?;
    }
    Ok(())
}

pub(super) fn v6(host: &Host) -> Held {
    host.lan()?;
    host.add(&dual(&[port(8080, 80, "tcp")], json!({})), "c1")?;
    let _server = host.serve("c1", "tcp", "[::]:80")?;
    let peer = host.reaches("lan", "tcp", "[fd00:c0::1]:8080", "c1")?;
    same("whom c1 sees", "fd00:c0::9", &peer.into())?;
    host.reaches("", "tcp", "[fd00:c0::1]:8080", "c1")?;
    host.reaches("lan", "tcp", "192.0.2.1:8080", "c1").map(drop)
}

pub(super) fn several(host: &Host) -> Held {
    host.lan()?;
    let ports: Vec<Value> = (0..20).map(|n| port(8000 + n, 80, "tcp")).collect();
    host.add(&mapped(&ports, json!({})), "c1")?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    for n in [0, 1, 14, 15, 16, 19] {
        host.reaches("lan", "tcp", &format!("192.0.2.1:{}", 8000 + n), "c1")?;
    }
    host.misses("lan", "tcp", "192.0.2.1:8020")
}

pub(super) fn protocols(host: &Host) -> Held {
    host.lan()?;
    host.add(&mapped(&[port(8080, 80, "tcp"), port(8080, 53, "udp")], json!({})), "c1")?;
    let _tcp = host.serve("c1", "tcp", "0.0.0.0:80")?;
    let _udp = host.serve("c1", "udp", "10.9.0.2:53")?;
    host.reaches("lan", "tcp", "192.0.2.1:8080", "c1")?;
    host.reaches("lan", "udp", "192.0.2.1:8080", "c1").map(drop)
}

pub(super) fn protocol_case(host: &Host) -> Held {
    host.lan()?;
    host.add(&mapped(&[port(8080, 80, "TCP")], json!({})), "c1")?;
    open(host).map(drop)
}

fn bound(ip: &str) -> Value {
    let mut port = port(8080, 80, "tcp");
    port["hostIP"] = ip.into();
    port
}

pub(super) fn host_ip(host: &Host) -> Held {
    host.lan()?;
    host.sh("ip addr add 192.0.2.2/24 dev up0")?;
    host.add(&mapped(&[bound("192.0.2.2")], json!({})), "c1")?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    host.reaches("lan", "tcp", "192.0.2.2:8080", "c1")?;
    closed(host)
}

pub(super) fn any_ip(host: &Host) -> Held {
    host.lan()?;
    host.add(&mapped(&[bound("0.0.0.0")], json!({})), "c1")?;
    open(host)?;
    host.add(
        &mapped(
            &[json!({ "hostPort": 8081, "containerPort": 80, "protocol": "tcp",
        "hostIP": "" })],
            json!({}),
        ),
        "c2",
    )?;
    let _server = host.serve("c2", "tcp", "0.0.0.0:80")?;
    host.reaches("lan", "tcp", "192.0.2.1:8081", "c2").map(drop)
}

pub(super) fn other_family(host: &Host) -> Held {
    host.lan()?;
    host.add(&dual(&[bound("192.0.2.1")], json!({})), "c1")?;
    let _server = host.serve("c1", "tcp", "[::]:80")?;
    host.reaches("lan", "tcp", "192.0.2.1:8080", "c1")?;
    host.misses("lan", "tcp", "[fd00:c0::1]:8080")
}

pub(super) fn snat_off(host: &Host) -> Held {
    usual(host, json!({ "snat": false }))?;
    open(host)?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    host.misses("", "tcp", "127.0.0.1:8080")
}
