//! What host-local is asked for: addresses by name, ranges of the runtime's, impossible ones.

use serde_json::{Value, json};

use super::{gives, leases, net, small};
use crate::Host;
use crate::check::{Held, has, same, wrong};
use crate::net::{Call, Net};

pub(super) fn ip_of_args(host: &Host) -> Held {
    let call = Call::new("ADD", "c1").with("ARGS", "IP=10.9.0.5");
    same("the address", "10.9.0.5/29", &host.add_as(&small(), &call)?["ips"][0]["address"])
}

pub(super) fn ips_of_args(host: &Host) -> Held {
    let net = small().and(json!({ "args": { "cni": { "ips": ["10.9.0.6"] } } }));
    gives(host, &net, "c1", "10.9.0.6/29")
}

pub(super) fn ips_of_runtime(host: &Host) -> Held {
    let asks = |ip: &str| small().and(json!({ "runtimeConfig": { "ips": [ip] } }));
    gives(host, &asks("10.9.0.6"), "c1", "10.9.0.6/29")?;
    gives(host, &asks("10.9.0.4/29"), "c2", "10.9.0.4/29")
}

pub(super) fn ip_ranges(host: &Host) -> Held {
    let more = json!({ "runtimeConfig": { "ipRanges": [[{ "subnet": "10.7.0.0/24" }]] } });
    gives(host, &small().and(more), "c1", "10.7.0.2/24 10.9.0.2/29")
}

pub(super) fn ip_taken(host: &Host) -> Held {
    let call = |who| Call::new("ADD", who).with("ARGS", "IP=10.9.0.5");
    host.add_as(&small(), &call("c1"))?;
    host.try_add(&small(), &call("c2"))?.refused(&[])?;
    same("the leases", "10.9.0.5", &leases(host)?.into())
}

pub(super) fn ip_outside(host: &Host) -> Held {
    for ip in ["10.8.0.5", "10.9.0.1"] {
        let call = Call::new("ADD", "c1").with("ARGS", &format!("IP={ip}"));
        host.try_add(&small(), &call)?.refused(&[])?;
    }
    same("the leases", "", &leases(host)?.into())
}

pub(super) fn unknown_args(host: &Host) -> Held {
    let call = |args: &str| Call::new("ADD", "c1").with("ARGS", args);
    let said = host.try_add(&small(), &call("K8S_POD_NAME=web"))?.refused(&[])?;
    has("the message", "K8S_POD_NAME", &said)?;
    for yes in ["1", "true", "True"] {
        let args = format!("IgnoreUnknown={yes};K8S_POD_NAME=web;K8S_POD_NAMESPACE=default");
        host.add_as(&small(), &call(&args))?;
        host.del(&small(), "c1", &Value::Null)?;
    }
    Ok(())
}

pub(super) fn bad_args(host: &Host) -> Held {
    for args in ["IP", "IP=10.9.0.5=6", "IgnoreUnknown=maybe", "IP=nonsense"] {
        let call = Call::new("ADD", "c1").with("ARGS", args);
        host.try_add(&small(), &call)?.refused(&[])?;
    }
    Ok(())
}

pub(super) fn bad_ranges(host: &Host) -> Held {
    for ipam in [
        json!({ "subnet": "10.9.0.0/31" }),
        json!({ "subnet": "10.9.0.0/32" }),
        json!({ "subnet": "10.9.0.5/24" }),
        json!({ "subnet": "10.9.0.0/24", "rangeStart": "10.8.0.5" }),
        json!({ "subnet": "10.9.0.0/24", "rangeEnd": "10.8.0.5" }),
        json!({ "subnet": "10.9.0.0/24", "rangeStart": "10.9.0.9", "rangeEnd": "10.9.0.5" }),
        json!({ "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "10.9.0.0/16" }]] }),
        json!({ "ranges": [[{ "subnet": "10.9.0.0/24" }, { "subnet": "fd00:9::/64" }]] }),
    ] {
        let net = net(ipam.clone());
        let ran = host.try_add(&net, &Call::new("ADD", "c1"))?;
        if ran.status == Some(0) {
            return wrong(&ipam.to_string(), "refused", ran);
        }
        ran.refused(&[])?;
    }
    Ok(())
}

pub(super) fn no_ranges(host: &Host) -> Held {
    host.try_add(&net(json!({})), &Call::new("ADD", "c1"))?.refused(&[])?;
    let none = Net::of(json!({ "type": "host-local" }));
    host.try_add(&none, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}
