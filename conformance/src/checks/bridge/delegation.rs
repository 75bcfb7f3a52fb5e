//! How the plugin for addresses is asked: one of our own that writes down what it hears.

use serde_json::{Value, json};

use super::{bridge, no_links_but};
use crate::Host;
use crate::check::{Held, Miss, has, same, that};
use crate::net::{Call, Net};

/// Writes down who is called and with what, and answers what is in a file.
const SCRIBE: &str = r#"#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS" >>/run/w/calls
cat >/run/w/stdin.$CNI_COMMAND
[ "$CNI_COMMAND" = ADD ] || exit 0
cat /run/w/answer
exit $(cat /run/w/status)
"#;

/// A network that asks the scribe, which answers this.
fn asks(host: &Host, answer: &Value, status: u8) -> Result<Net, Miss> {
    host.sh("mkdir -p /run/w/bin")?;
    host.write("/run/w/bin/scribe", SCRIBE)?;
    host.sh("chmod 755 /run/w/bin/scribe")?;
    host.write("/run/w/answer", &answer.to_string())?;
    host.write("/run/w/status", &status.to_string())?;
    Ok(bridge(json!({ "ipam": { "type": "scribe", "own": [1, 2] }, "unknown": "kept" })))
}

fn call(host: &Host, verb: &'static str) -> Call {
    let path = format!("/run/w/none:/run/w/bin:{}", host.plugins.display());
    Call::new(verb, "c1").with("PATH", &path).with("ARGS", "IgnoreUnknown=1;K=V")
}

fn address() -> Value {
    json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.9.0.77/24" }] })
}

fn add(host: &Host, net: &Net) -> Result<Value, Miss> {
    host.add_as(net, &call(host, "ADD"))
}

pub(super) fn asked(host: &Host) -> Held {
    let net = asks(host, &address(), 0)?;
    let result = add(host, &net)?;
    same("the address", "10.9.0.77/24", &result["ips"][0]["address"])?;
    let calls = host.read("/run/w/calls")?;
    same("the call", "ADD box-c1 /run/netns/c1 eth0 IgnoreUnknown=1;K=V", &calls.into())?;
    let heard: Value = serde_json::from_str(&host.read("/run/w/stdin.ADD")?).unwrap_or_default();
    same(
        "what it reads",
        net.conf(net.plugins.first().unwrap_or(&Value::Null), &Value::Null),
        &heard,
    )
}

pub(super) fn refused(host: &Host) -> Held {
    let error =
        json!({ "cniVersion": "1.0.0", "code": 117, "msg": "none today", "details": "more" });
    let net = asks(host, &error, 1)?;
    let said = host.try_add(&net, &call(host, "ADD"))?.refused(&[117])?;
    has("the message", "none today", &said)
}

pub(super) fn undone(host: &Host) -> Held {
    let net = asks(host, &json!({ "code": 117, "msg": "none today" }), 1)?;
    host.try_add(&net, &call(host, "ADD"))?.refused(&[117])?;
    no_links_but(host, "c1", &["lo"])
}

pub(super) fn missing(host: &Host) -> Held {
    for kind in ["nobody", "../lib/cni/host-local"] {
        let net = bridge(json!({ "ipam": { "type": kind } }));
        host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[])?;
        host.sh("ip netns del c1")?;
    }
    Ok(())
}

pub(super) fn del(host: &Host) -> Held {
    let net = asks(host, &address(), 0)?;
    let result = add(host, &net)?;
    host.del_as(&net, &call(host, "DEL"), &result)?;
    let calls = host.read("/run/w/calls")?;
    has("its calls", "DEL box-c1 /run/netns/c1 eth0 IgnoreUnknown=1;K=V", &calls)?;
    let gone = call(host, "DEL").with("NETNS", "");
    host.del_as(&net, &gone, &Value::Null)?;
    let calls = host.read("/run/w/calls")?;
    let given_back = calls.lines().filter(|line| line.starts_with("DEL")).count();
    that(given_back == 2, "its calls", "DEL without a namespace, too", calls)
}

pub(super) fn version(host: &Host) -> Held {
    let answer = json!({ "ips": [{ "version": "4", "address": "10.9.0.77/24" }] });
    let net = asks(host, &answer, 0)?.speaks("0.4.0");
    let result = add(host, &net)?;
    same("the address", "10.9.0.77/24", &result["ips"][0]["address"])?;
    same("cniVersion", "0.4.0", &result["cniVersion"])
}

pub(super) fn no_address(host: &Host) -> Held {
    let net = asks(host, &json!({ "cniVersion": "1.0.0" }), 0)?;
    host.try_add(&net, &call(host, "ADD"))?.refused(&[])?;
    has("its calls", "DEL box-c1", &host.read("/run/w/calls")?)
}
