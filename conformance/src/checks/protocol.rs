//! What every plugin must do, whatever it is for: verbs, variables, versions, errors.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Host;
use crate::call::Ran;
use crate::check::{Check, Held, Miss, better, contract, has, same, that, unchanged, wrong};

pub(super) const CHECKS: &[Check] = &[
    contract(
        "about",
        "without CNI_COMMAND it says its name and versions on standard error, and succeeds",
        about,
    ),
    contract(
        "about-release",
        "the release it says is a version that nerdctl can read: `CNI NAME plugin v1.2.3`",
        about_release,
    )
    .since("1.9.1"),
    contract("version", "VERSION answers its own and all supported versions", version),
    contract("version-1.1.0", "VERSION answers 1.1.0, and supports it", version_newest)
        .since("1.5.0"),
    contract("unknown-verb", "an unknown CNI_COMMAND is refused with code 4", unknown_verb),
    contract("missing-variables", "missing variables are refused with code 4, all named", missing),
    contract("del-without-netns", "DEL does not need CNI_NETNS as a variable", del_needs_no_netns),
    contract("container-id", "a container ID of other characters is refused with code 4", ids),
    contract("ifname", "an interface name that no kernel takes is refused with code 4", ifnames),
    contract("bad-json", "what is no JSON is refused with code 6", bad_json),
    contract("no-name", "a configuration without a name is refused with code 7", no_name),
    contract("bad-name", "a network name of other characters is refused with code 7", bad_name),
    contract(
        "bad-version",
        "a cniVersion that is not supported is refused with code 1",
        bad_version,
    ),
    contract("check-needs-0.4.0", "CHECK in version 0.3.1 is refused with code 1", old_check),
    contract("gc-needs-1.1.0", "GC and STATUS in version 1.0.0 are refused with code 1", old_gc)
        .since("1.5.0"),
    contract("errors-are-json", "an error is one JSON object on standard output, status 1", errors),
    better("own-netns", "the host's own namespace is refused before anything is done", own_netns),
    better(
        "vanished-netns",
        "ADD with a namespace that is not there is refused, nothing is done",
        vanished,
    ),
];

/// What a call without variables of its own says.
fn bare(host: &Host, vars: &[(&'static str, &str)], stdin: &str) -> Result<Ran, Miss> {
    let vars: BTreeMap<&str, String> =
        vars.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    host.raw(&host.plugin, &vars, stdin)
}

/// A call with all variables, in which some are replaced.
fn full(host: &Host, verb: &str, vars: &[(&'static str, &str)], stdin: &str) -> Result<Ran, Miss> {
    let path = host.plugins.display().to_string();
    let mut all = vec![
        ("COMMAND", verb),
        ("CONTAINERID", "box"),
        ("NETNS", "/run/netns/none"),
        ("IFNAME", "eth0"),
        ("PATH", &path),
    ];
    all.retain(|(name, _)| !vars.iter().any(|(other, _)| other == name));
    all.extend(vars);
    bare(host, &all, stdin)
}

/// A configuration that could be meant for the plugin.
fn conf(host: &Host, version: &str) -> String {
    let conf = json!({ "cniVersion": version, "name": "net", "type": host.plugin,
        "ipam": { "type": "host-local", "subnet": "10.9.0.0/24" } });
    conf.to_string()
}

fn about(host: &Host) -> Held {
    let ran = bare(host, &[], "")?;
    that(
        ran.status == Some(0) && ran.out.is_empty(),
        "without a verb",
        "success, no output",
        &ran,
    )?;
    has("what it says", &format!("CNI {} plugin ", host.plugin), &ran.err)?;
    has("what it says", "CNI protocol versions supported: ", &ran.err)?;
    has("what it says", "1.0.0", &ran.err)
}

fn about_release(host: &Host) -> Held {
    let ran = bare(host, &[], "")?;
    let first = ran.err.lines().next().unwrap_or_default();
    let release = first.strip_prefix(&format!("CNI {} plugin v", host.plugin)).unwrap_or_default();
    let numbers: Vec<Option<u32>> = release.split('.').map(|n| n.parse().ok()).collect();
    that(numbers.len() == 3 && numbers.iter().all(Option::is_some), "the release", "v1.2.3", &ran)
}

/// Which versions the plugin has known since it began.
fn oldest(plugin: &str) -> &'static [&'static str] {
    match plugin {
        "firewall" => &["0.4.0", "1.0.0"],
        "vrf" => &["0.3.1", "0.4.0", "1.0.0"],
        "bandwidth" => &["0.3.0", "0.3.1", "0.4.0", "1.0.0"],
        _ => &["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"],
    }
}

fn version(host: &Host) -> Held {
    let answer = bare(host, &[("COMMAND", "VERSION")], "")?.ok()?;
    that(answer["cniVersion"].is_string(), "the answer", "its cniVersion", &answer)?;
    let all: Vec<&str> = answer["supportedVersions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let wanted = oldest(&host.plugin);
    let older: Vec<&str> = all.iter().copied().filter(|one| *one != "1.1.0").collect();
    that(older == wanted, "supportedVersions before 1.1.0", &format!("{wanted:?}"), &answer)
}

fn version_newest(host: &Host) -> Held {
    let answer = bare(host, &[("COMMAND", "VERSION")], "")?.ok()?;
    same("cniVersion", "1.1.0", &answer["cniVersion"])?;
    let last = answer["supportedVersions"].as_array().and_then(|all| all.last());
    same("the newest supported", "1.1.0", last.unwrap_or(&Value::Null))
}

fn unknown_verb(host: &Host) -> Held {
    for verb in ["add", "PURGE"] {
        let said = full(host, verb, &[], &conf(host, "1.0.0"))?.refused(&[4])?;
        has("the message", verb, &said)?;
    }
    Ok(())
}

fn missing(host: &Host) -> Held {
    let said = bare(host, &[("COMMAND", "ADD")], &conf(host, "1.0.0"))?.refused(&[4])?;
    for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"] {
        has("the message", name, &said)?;
    }
    let said = full(host, "CHECK", &[("NETNS", "")], &conf(host, "1.0.0"))?.refused(&[4])?;
    has("the message", "CNI_NETNS", &said)?;
    let said = full(host, "DEL", &[("IFNAME", "")], &conf(host, "1.0.0"))?.refused(&[4])?;
    has("the message", "CNI_IFNAME", &said)
}

fn del_needs_no_netns(host: &Host) -> Held {
    let ran = full(host, "DEL", &[("NETNS", "")], &conf(host, "1.0.0"))?;
    let refused = ran.out.contains("required env variables");
    that(!refused, "DEL without CNI_NETNS", "not refused for it", &ran)
}

fn ids(host: &Host) -> Held {
    for id in ["../etc", "-x", "a/b", "a b", "ä"] {
        full(host, "ADD", &[("CONTAINERID", id)], &conf(host, "1.0.0"))?.refused(&[4])?;
    }
    Ok(())
}

fn ifnames(host: &Host) -> Held {
    for name in [".", "..", "a/b", "a:b", "a b", "sixteen-bytes-ab"] {
        full(host, "ADD", &[("IFNAME", name)], &conf(host, "1.0.0"))?.refused(&[4])?;
    }
    Ok(())
}

fn bad_json(host: &Host) -> Held {
    for text in
        ["", "{", "[]", "\"text\"", "{\"name\": 5}", "{\"name\": \"net\", \"cniVersion\": []}"]
    {
        full(host, "ADD", &[], text)?.refused(&[6])?;
    }
    Ok(())
}

fn no_name(host: &Host) -> Held {
    let conf = json!({ "cniVersion": "1.0.0", "type": host.plugin });
    full(host, "ADD", &[], &conf.to_string())?.refused(&[7])?;
    let conf = json!({ "cniVersion": "1.0.0", "name": null, "type": host.plugin });
    full(host, "DEL", &[], &conf.to_string())?.refused(&[7]).map(drop)
}

fn bad_name(host: &Host) -> Held {
    for name in ["a/b", "..", "-a", "a b"] {
        let conf = json!({ "cniVersion": "1.0.0", "name": name, "type": host.plugin });
        full(host, "ADD", &[], &conf.to_string())?.refused(&[7])?;
    }
    Ok(())
}

fn bad_version(host: &Host) -> Held {
    for verb in ["ADD", "DEL"] {
        let said = full(host, verb, &[], &conf(host, "9.9.9"))?.refused(&[1])?;
        has("message and details", "9.9.9", &said)?;
    }
    Ok(())
}

fn old_check(host: &Host) -> Held {
    full(host, "CHECK", &[], &conf(host, "0.3.1"))?.refused(&[1]).map(drop)
}

fn old_gc(host: &Host) -> Held {
    for verb in ["GC", "STATUS"] {
        full(host, verb, &[], &conf(host, "1.0.0"))?.refused(&[1])?;
    }
    Ok(())
}

fn errors(host: &Host) -> Held {
    let ran = full(host, "ADD", &[], "{")?;
    that(ran.status == Some(1), "its status", "1", &ran)?;
    that(ran.err.is_empty(), "standard error", "empty", &ran)?;
    ran.refused(&[]).map(drop)
}

/// Whether the plugin looks at the namespace at all.
fn enters(plugin: &str) -> bool {
    !["host-local", "static"].contains(&plugin)
}

fn own_netns(host: &Host) -> Held {
    host.lan()?;
    let before = host.state()?;
    let ran = full(host, "ADD", &[("NETNS", "/proc/self/ns/net")], &own_conf(host))?;
    if ran.status == Some(0) || serde_json::from_str::<Value>(&ran.out).is_err() {
        return wrong("ADD to the host's own namespace", "refused, in one JSON object", ran);
    }
    unchanged("the host", &before, &host.state()?)
}

/// With which it would do something, were the namespace another one.
fn own_conf(host: &Host) -> String {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24" });
    let conf = json!({ "cniVersion": "1.0.0", "name": "net", "type": host.plugin, "ipam": ipam,
        "subnet": "10.9.0.0/24", "vlanId": 5, "vrfname": "red", "device": "up0", "master": "up0",
        "prevResult": { "cniVersion": "1.0.0",
            "interfaces": [{ "name": "eth0", "sandbox": "/proc/self/ns/net" }],
            "ips": [{ "address": "10.9.0.5/24", "interface": 0 }] } });
    conf.to_string()
}

fn vanished(host: &Host) -> Held {
    if !enters(&host.plugin) {
        return Ok(());
    }
    host.lan()?;
    let before = host.state()?;
    let ran = full(host, "ADD", &[("NETNS", "/run/netns/gone")], &own_conf(host))?;
    if ["firewall", "portmap", "bandwidth"].contains(&host.plugin.as_str()) && ran.status == Some(0)
    {
        // They need not look at it.
        return Ok(());
    }
    ran.refused(&[])?;
    unchanged("the host", &before, &host.state()?)
}
