//! static: addresses that stand in the configuration, or that the runtime says.

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, same, that};
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract("addresses", "addresses, gateways, routes and dns are the result", addresses),
    contract(
        "ips-of-args",
        "CNI_ARGS IP and GATEWAY add addresses, in a list with commas",
        of_args,
    ),
    contract("ips-of-args-cni", "args.cni.ips replace the configured ones", of_args_cni),
    contract("ips-of-runtime", "runtimeConfig.ips replace all others", of_runtime),
    contract("needs-length", "an address without a length is refused", needs_length),
    contract(
        "unknown-args",
        "CNI_ARGS with an unknown key is refused unless IgnoreUnknown=1",
        unknown,
    ),
    contract("remembers-nothing", "ADD twice is the same, DEL and CHECK need no ADD", nothing),
    contract("check-gateway", "CHECK fails when the gateway differs from the result", check),
    better("check-address", "CHECK fails when the address is not in the result", check_address),
    contract("versions", "the result is converted to every version", versions),
    contract("no-address-0.2.0", "in version 0.2.0 no address at all is an error", none_0_2_0),
    contract("case", "keys are read without regard to case", case),
];

const TWO: &str = r#"{"addresses": [{"address": "10.9.0.5/24", "gateway": "10.9.0.1"},
    {"address": "fd00:9::5/64", "gateway": "fd00:9::1"}],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.7.0.0/16", "gw": "10.9.0.9"}, {"dst": "::/0"}],
    "dns": {"nameservers": ["10.0.0.1"], "domain": "d", "search": ["s"], "options": ["o"]}}"#;

fn net(ipam: &str) -> Net {
    let mut ipam: Value = serde_json::from_str(ipam).unwrap_or_default();
    if let Value::Object(fields) = &mut ipam {
        fields.insert("type".to_owned(), "static".into());
    }
    Net::of(json!({ "type": "static", "ipam": ipam }))
}

fn addresses(host: &Host) -> Held {
    let result = host.add(&net(TWO), "c1")?;
    let ip = |address, gateway| json!({ "address": address, "gateway": gateway });
    same(
        "ips",
        json!([ip("10.9.0.5/24", "10.9.0.1"), ip("fd00:9::5/64", "fd00:9::1")]),
        &result["ips"],
    )?;
    let routes = json!([{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.9.0.9" }, { "dst": "::/0" }]);
    same("routes", routes, &result["routes"])?;
    let dns =
        json!({ "nameservers": ["10.0.0.1"], "domain": "d", "search": ["s"], "options": ["o"] });
    same("dns", dns, &result["dns"])
}

fn list(result: &Value) -> Value {
    let all = result["ips"].as_array().into_iter().flatten();
    all.map(|ip| match ip["gateway"].as_str() {
        Some(gateway) => format!("{} via {gateway}", ip["address"].as_str().unwrap_or_default()),
        None => ip["address"].as_str().unwrap_or_default().to_owned(),
    })
    .collect::<Vec<_>>()
    .join(", ")
    .into()
}

const ONE: &str = r#"{"addresses": [{"address": "10.9.0.5/24", "gateway": "10.9.0.1"}]}"#;

fn of_args(host: &Host) -> Held {
    let call = Call::new("ADD", "c1")
        .with("ARGS", "IP=10.9.0.7/24,fd00:9::7/64;GATEWAY=10.9.0.2,fd00:9::1");
    let result = host.add_as(&net("{}"), &call)?;
    same("ips", "10.9.0.7/24 via 10.9.0.2, fd00:9::7/64 via fd00:9::1", &list(&result))
}

fn of_args_cni(host: &Host) -> Held {
    let net = net(ONE).and(json!({ "args": { "cni": { "ips": ["10.9.0.8/24"] } } }));
    same("ips", "10.9.0.8/24", &list(&host.add(&net, "c1")?))
}

fn of_runtime(host: &Host) -> Held {
    let net = net(ONE).and(json!({ "args": { "cni": { "ips": ["10.9.0.8/24"] } },
        "runtimeConfig": { "ips": ["10.9.0.9/24", "fd00:9::9/64"] } }));
    same("ips", "10.9.0.9/24, fd00:9::9/64", &list(&host.add(&net, "c1")?))
}

fn needs_length(host: &Host) -> Held {
    let call = Call::new("ADD", "c1").with("ARGS", "IP=10.9.0.7");
    host.try_add(&net("{}"), &call)?.refused(&[])?;
    let bare = net(r#"{"addresses": [{"address": "10.9.0.5"}]}"#);
    host.try_add(&bare, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn unknown(host: &Host) -> Held {
    let call = |args: &str| Call::new("ADD", "c1").with("ARGS", args);
    host.try_add(&net(ONE), &call("MAC=02:00:00:00:00:01"))?.refused(&[])?;
    host.add_as(&net(ONE), &call("IgnoreUnknown=true;MAC=02:00:00:00:00:01")).map(drop)
}

fn nothing(host: &Host) -> Held {
    let before = host.state()?;
    host.del(&net(ONE), "c1", &Value::Null)?;
    let first = host.add(&net(ONE), "c1")?;
    same("the second result", first, &host.add(&net(ONE), "c1")?)?;
    host.del(&net(ONE), "c1", &Value::Null)?;
    host.del(&net(ONE), "c1", &Value::Null)?;
    crate::check::unchanged("the host", &before, &host.state()?)
}

fn check(host: &Host) -> Held {
    let result = host.add(&net(ONE), "c1")?;
    host.check(&net(ONE), "c1", &result)?.quiet()?;
    differs(host, result, "/ips/0/gateway", "10.9.0.9")
}

fn check_address(host: &Host) -> Held {
    let result = host.add(&net(ONE), "c1")?;
    differs(host, result, "/ips/0/address", "10.9.0.6/24")
}

/// CHECK fails when this part of the result is another.
fn differs(host: &Host, mut result: Value, part: &str, other: &str) -> Held {
    if let Some(found) = result.pointer_mut(part) {
        *found = other.into();
    }
    host.check(&net(ONE), "c1", &result)?.refused(&[]).map(drop)
}

fn versions(host: &Host) -> Held {
    for version in ["0.1.0", "0.2.0"] {
        let result = add(host, version)?;
        same(
            "ip4",
            json!({ "ip": "10.9.0.5/24", "gateway": "10.9.0.1", "routes":
            [{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.9.0.9" }] }),
            &result["ip4"],
        )?;
        same("ip6.routes", json!([{ "dst": "::/0" }]), &result["ip6"]["routes"])?;
    }
    for version in ["0.3.0", "0.3.1", "0.4.0"] {
        let result = add(host, version)?;
        same("the family", "6", &result["ips"][1]["version"])?;
    }
    let result = add(host, "1.0.0")?;
    that(result["ips"][1]["version"].is_null(), "a result of 1.0.0", "no family", &result)
}

fn add(host: &Host, version: &'static str) -> Result<Value, Miss> {
    let result = host.add(&net(TWO).speaks(version), "c1")?;
    same("cniVersion", version, &result["cniVersion"])?;
    Ok(result)
}

fn none_0_2_0(host: &Host) -> Held {
    let net = net("{}").speaks("0.2.0");
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn case(host: &Host) -> Held {
    let net = Net::of(json!({ "Type": "static", "type": "static",
        "Ipam": { "TYPE": "static", "Addresses": [{ "ADDRESS": "10.9.0.5/24", "GateWay": "10.9.0.1" }] } }));
    same("ips", "10.9.0.5/24 via 10.9.0.1", &list(&host.add(&net, "c1")?))
}
