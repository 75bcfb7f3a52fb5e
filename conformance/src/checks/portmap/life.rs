//! A published port's life: refusals, DEL, CHECK, GC, and what connections remember.

use serde_json::{Value, json};

use super::super::bridge;
use super::{closed, mapped, open, port, usual};
use crate::Host;
use crate::check::{Held, Miss, has, same, that, unchanged, wrong};
use crate::net::{Call, Net};

pub(super) fn result(host: &Host) -> Held {
    for (version, who) in [("0.3.1", "c1"), ("0.4.0", "c2"), ("1.0.0", "c3")] {
        let net = mapped(&[port(8080, 80, "tcp")], json!({})).speaks(version);
        let mut alone = net.clone();
        alone.plugins.truncate(1);
        let before = host.add(&alone, who)?;
        let conf = net.conf(net.plugins.last().unwrap_or(&Value::Null), &before);
        let after = host.call(&Call::new("ADD", who), "portmap", &conf)?.ok()?;
        same("the result", before, &after)?;
        host.del(&net, who, &after)?;
    }
    Ok(())
}

pub(super) fn no_ports(host: &Host) -> Held {
    let mut alone = mapped(&[], json!({}));
    alone.plugins.truncate(1);
    let first = host.add(&alone, "c1")?;
    let before = host.state()?;
    let conf = |net: &Net| net.conf(net.plugins.last().unwrap_or(&Value::Null), &first);
    host.call(&Call::new("ADD", "c1"), "portmap", &conf(&mapped(&[], json!({}))))?.ok()?;
    let none = mapped(&[], json!({ "runtimeConfig": null }));
    same(
        "the result",
        first.clone(),
        &host.call(&Call::new("ADD", "c1"), "portmap", &conf(&none))?.ok()?,
    )?;
    unchanged("the host", &before, &host.state()?)
}

pub(super) fn needs_result(host: &Host) -> Held {
    let net = Net::of(json!({ "type": "portmap",
        "runtimeConfig": { "portMappings": [port(8080, 80, "tcp")] } }));
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

pub(super) fn bad_ports(host: &Host) -> Held {
    for bad in [
        port(8080, 0, "tcp"),
        port(0, 80, "tcp"),
        json!({ "hostPort": 70000, "containerPort": 80, "protocol": "tcp" }),
        json!({ "hostPort": 8080, "containerPort": -1, "protocol": "tcp" }),
    ] {
        host.try_add(&mapped(&[bad], json!({})), &Call::new("ADD", "c1"))?.refused(&[])?;
        host.sh("ip netns del c1")?;
    }
    Ok(())
}

pub(super) fn exclusive(host: &Host) -> Held {
    for more in
        [json!({ "markMasqBit": 5, "externalSetMarkChain": "X" }), json!({ "markMasqBit": 32 })]
    {
        let net = mapped(&[port(8080, 80, "tcp")], more);
        host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[])?;
        host.sh("ip netns del c1")?;
    }
    Ok(())
}

/// Both ways of keeping rules, where they can be chosen.
const BACKENDS: [Option<&str>; 2] = [None, Some("iptables")];

/// A network with one port, and one with another for a container that stays.
fn pair(backend: Option<&str>) -> (Net, Net) {
    let more = || backend.map_or(json!({}), |name| json!({ "backend": name }));
    let stays = mapped(&[port(7070, 80, "tcp"), port(7070, 53, "udp")], more());
    (stays, mapped(&[port(8080, 80, "tcp"), port(8080, 53, "udp")], more()))
}

/// A container that stays, and one that came and went, which leaves empty tables of iptables.
fn warm(host: &Host, stays: &Net, net: &Net, living: &str) -> Result<Value, Miss> {
    let kept = host.add(stays, living)?;
    let result = host.add(net, "warm")?;
    host.del(net, "warm", &result)?;
    Ok(kept)
}

pub(super) fn del(host: &Host) -> Held {
    host.lan()?;
    for (backend, living) in BACKENDS.into_iter().zip(["c0", "c5"]) {
        let (stays, net) = pair(backend);
        let kept = warm(host, &stays, &net, living)?;
        let before = host.state()?;
        let result = host.add(&net, "c1")?;
        host.del(&net, "c1", &result)?;
        unchanged("the host", &before, &host.state()?)?;
        host.del(&net, "c1", &result)?;
        closed(host)?;
        host.del(&stays, living, &kept)?;
    }
    Ok(())
}

pub(super) fn check(host: &Host) -> Held {
    let (net, result) = usual(host, json!({}))?;
    host.check(&net, "c1", &result)?.quiet()
}

pub(super) fn check_flushed(host: &Host) -> Held {
    let (net, result) = usual(host, json!({}))?;
    host.sh("nft flush ruleset")?;
    let last = net.plugins.last().unwrap_or(&Value::Null);
    let ran = host.call(&Call::new("CHECK", "c1"), "portmap", &net.conf(last, &result))?;
    ran.refused(&[]).map(drop)
}

/// A UDP client outside, of one port, that speaks to port 5353 of the host.
fn speaks(host: &Host) -> Result<Option<String>, Miss> {
    host.ask_from("lan", 4444, "192.0.2.1:5353")
}

pub(super) fn stale_on_add(host: &Host) -> Held {
    host.lan()?;
    let net = mapped(&[port(5353, 53, "udp")], json!({}));
    // A connection of the client's to the host itself, where nobody is.
    host.sh("iptables -t nat -A OUTPUT -j ACCEPT; iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT")?;
    let dead = host.serve("", "udp", "192.0.2.1:5353")?;
    that(speaks(host)?.is_some(), "the client before", "an answer of the host", "none")?;
    drop(dead);
    host.add(&net, "c1")?;
    let _server = host.serve("c1", "udp", "10.9.0.2:53")?;
    answered(speaks(host)?, "c1")
}

fn answered(answer: Option<String>, name: &str) -> Held {
    match answer {
        Some(answer) if answer.starts_with(name) => Ok(()),
        other => wrong("the UDP client", format!("an answer of {name}"), format!("{other:?}")),
    }
}

pub(super) fn stale_on_del(host: &Host) -> Held {
    host.lan()?;
    let net = mapped(&[port(5353, 53, "udp")], json!({}));
    let result = host.add(&net, "c1")?;
    let server = host.serve("c1", "udp", "10.9.0.2:53")?;
    answered(speaks(host)?, "c1")?;
    drop(server);
    host.del(&net, "c1", &result)?;
    let _own = host.serve("", "udp", "192.0.2.1:5353")?;
    answered(speaks(host)?, "")?;
    that(
        !host.does("conntrack -L -p udp 2>/dev/null | grep 10.9.0.2"),
        "connections",
        "none of c1",
        "there are",
    )
}

pub(super) fn del_forgotten(host: &Host) -> Held {
    for (backend, living) in BACKENDS.into_iter().zip(["c0", "c5"]) {
        let (stays, net) = pair(backend);
        let kept = warm(host, &stays, &net, living)?;
        let before = host.state()?;
        host.add(&net, "c1")?;
        host.sh("ip netns del c1")?;
        host.del_bare(&net, "c1")?;
        bridge::gone(host, &before)?;
        host.del(&stays, living, &kept)?;
    }
    Ok(())
}

pub(super) fn gc(host: &Host) -> Held {
    host.lan()?;
    for (backend, living) in BACKENDS.into_iter().zip(["c0", "c5"]) {
        let (stays, net) = pair(backend);
        let kept = warm(host, &stays, &net, living)?;
        let before = host.state()?;
        host.add(&net, "c1")?;
        host.sh("ip netns del c1")?;
        host.gc(&stays, &[living])?;
        bridge::gone(host, &before)?;
        let server = host.serve(living, "tcp", "0.0.0.0:80")?;
        host.reaches("lan", "tcp", "192.0.2.1:7070", living)?;
        drop(server);
        host.del(&stays, living, &kept)?;
    }
    Ok(())
}

pub(super) fn conflict(host: &Host) -> Held {
    let (net, _) = usual(host, json!({}))?;
    let said = host.try_add(&net, &Call::new("ADD", "c2"))?.refused(&[])?;
    has("the refusal", "8080", &said)?;
    has("the refusal", "c1", &said)?;
    open(host).map(drop)
}

pub(super) fn listener(host: &Host) -> Held {
    let _server = host.serve("", "tcp", "0.0.0.0:8080")?;
    let net = mapped(&[port(8080, 80, "tcp")], json!({}));
    let said = host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[])?;
    has("the refusal", "8080", &said)
}

pub(super) fn same_again(host: &Host) -> Held {
    let (net, result) = usual(host, json!({}))?;
    let before = host.state()?;
    same("the second result", result, &host.add(&net, "c1")?)?;
    unchanged("the host", &before, &host.state()?)?;
    open(host).map(drop)
}
