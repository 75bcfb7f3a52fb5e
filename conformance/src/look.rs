//! What the kernel has, as `ip -json` and its kin tell it.

use serde_json::Value;

use crate::Host;
use crate::check::{Held, Miss, has, lacks, wrong};

/// All that plugins may leave on a host, without what counts or comes by itself.
const STATE: &str = r"
ip -o -d link | sed -E 's/^[0-9]+: //; s/@if[0-9]+//; s/qlen [0-9]+//; s/link-netns(id)? [^ ]+//;
    s/(gc|hello|tcn|topology_change|tick|timer)[a-z_]* +[0-9.]+//g; s/state [A-Za-z]+//g; s/<[^>]*>//' |
    sed -E 's/(designated_root|bridge_id|root_id|designated_bridge) [^ ]+//g; s/topology_change[a-z_]* [0-9]+//g'
ip -o addr | sed -E 's/^[0-9]+: //; s/ tentative//; /fe80/d'
for v in -4 -6; do
    ip $v route show table all | sed -E 's/ linkdown//; /fe80|ff00|multicast/d; s/ pref medium//; s/metric 256 //'
    ip $v rule
done
tc qdisc show 2>/dev/null | sed -E 's/qdisc ([a-z]+) [0-9a-f]+:/qdisc \1/' || true
nft -s list ruleset 2>/dev/null | grep -v '^# Warning' || true
for v in '' 6; do ip${v}tables-save 2>/dev/null | grep -v '^#' | sed -E 's/\[[0-9]+:[0-9]+\]//' || true; done
sysctl -e net.ipv4.ip_forward net.ipv6.conf.all.forwarding
find /var/lib/cni /run/cni -type f -not -name 'last_reserved_ip*' -not -name '*lock*' 2>/dev/null | LC_ALL=C sort";

impl Host {
    /// What a command prints as JSON; an empty list if it prints nothing.
    pub(crate) fn json(&self, container: &str, command: &str) -> Result<Value, Miss> {
        let out = self.sh_in(container, command)?;
        if out.trim().is_empty() {
            return Ok(Value::Array(Vec::new()));
        }
        serde_json::from_str(&out).or_else(|why| wrong(command, "JSON", format!("{why}: {out}")))
    }

    /// A link with its details and addresses.
    pub(crate) fn link(&self, container: &str, name: &str) -> Result<Value, Miss> {
        let all = self.json(container, &format!("ip -d -j addr show dev {name}"))?;
        let found = all.as_array().and_then(|all| all.iter().find(|one| one["ifname"].is_string()));
        match found {
            Some(one) => Ok(one.clone()),
            None => wrong(name, "a link", all),
        }
    }

    /// Whether there is such a link.
    pub(crate) fn has_link(&self, container: &str, name: &str) -> Result<bool, Miss> {
        Ok(self.links(container)?.iter().any(|found| found == name))
    }

    /// The names of all links.
    pub(crate) fn links(&self, container: &str) -> Result<Vec<String>, Miss> {
        let all = self.json(container, "ip -j link")?;
        let names = all.as_array().into_iter().flatten().filter_map(|one| one["ifname"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// The addresses of a link as `10.9.0.2/24`, without those of its own.
    pub(crate) fn addresses(&self, container: &str, name: &str) -> Result<Vec<String>, Miss> {
        let link = self.link(container, name)?;
        let all = link["addr_info"].as_array().into_iter().flatten();
        let all = all.filter(|one| one["scope"] != "link" || one["family"] == "inet");
        Ok(all
            .map(|one| {
                format!("{}/{}", one["local"].as_str().unwrap_or_default(), one["prefixlen"])
            })
            .collect())
    }

    /// The routes of the main table as `ip route` prints them, of both families, without who made
    /// them.
    pub(crate) fn routes(&self, container: &str) -> Result<String, Miss> {
        self.sh_in(
            container,
            "for v in -4 -6; do
                ip $v route | sed -E 's/ proto [a-z0-9]+//; /fe80|ff00/d'
            done",
        )
    }

    /// A route with these words is there.
    pub(crate) fn has_route(&self, container: &str, words: &str) -> Held {
        has("the routes", words, &self.routes(container)?)
    }

    /// No route has these words.
    pub(crate) fn lacks_route(&self, container: &str, words: &str) -> Held {
        lacks("the routes", words, &self.routes(container)?)
    }

    /// All rules of iptables and ip6tables.
    pub(crate) fn iptables(&self) -> Result<String, Miss> {
        self.sh("iptables-save; ip6tables-save 2>/dev/null || true")
    }

    /// All that plugins may leave on the host.
    pub(crate) fn state(&self) -> Result<String, Miss> {
        self.sh(STATE)
    }
}

/// An interface of a result, by its place.
pub(crate) fn interface(result: &Value, at: usize) -> Result<&Value, Miss> {
    match result["interfaces"].get(at) {
        Some(found) => Ok(found),
        None => wrong("interfaces of the result", format!("at least {}", at + 1), result),
    }
}

/// The name of an interface of a result.
pub(crate) fn name(result: &Value, at: usize) -> Result<String, Miss> {
    match interface(result, at)?["name"].as_str() {
        Some(name) => Ok(name.to_owned()),
        None => wrong("an interface of the result", "a name", result),
    }
}

/// The address of a result as `10.9.0.2`, by its place.
pub(crate) fn ip(result: &Value, at: usize) -> Result<String, Miss> {
    let text = result["ips"].get(at).and_then(|ip| ip["address"].as_str());
    match text.and_then(|text| text.split('/').next()) {
        Some(ip) => Ok(ip.to_owned()),
        None => wrong("addresses of the result", format!("at least {}", at + 1), result),
    }
}
