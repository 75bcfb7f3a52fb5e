//! Rules of ropewalk's own tables, in plain words: what they are for, and which option lifts them.
//!
//!     bridge/ropewalk/v4 "own4"  ─▶  a sandbox sends from its own addresses alone
//!
//! Tags are those of `topology::firewall`; its tests list them.

use ropewalk_facts::nft::RuleKey;

/// What a rule of ours is for, and what lifts it.
pub(super) struct Own {
    pub(super) words: &'static str,
    pub(super) lifted: &'static str,
}

/// The name of all our tables.
const TABLE: &str = "ropewalk";

const SPOOFING: &str = "attach it with --allow-spoofing";

/// What is said of a rule; `None` for one that is not ours.
pub(super) fn own(rule: &RuleKey) -> Option<Own> {
    if rule.chain.table.table != TABLE {
        return None;
    }
    let (words, lifted) = match rule.tag.as_str() {
        "own-mac" | "sender-mac" => {
            ("a sandbox sends from the hardware address alone that it was given", SPOOFING)
        }
        "own4" | "own6" | "sender-ip" | "target" => {
            ("a sandbox sends from the addresses alone that it was given", SPOOFING)
        }
        "dhcp-server" => ("a sandbox answers nobody as a DHCP server", SPOOFING),
        "router" => ("a sandbox is no router to others: its advertisements are dropped", SPOOFING),
        "redirect" => ("a sandbox sends no redirects", SPOOFING),
        "shape" => ("what looks like ARP and is none is dropped", SPOOFING),
        "hidden" => ("a fragment that hides its header is dropped", SPOOFING),
        "other" => ("a sandbox sends IPv4, IPv6 and ARP, and nothing else", SPOOFING),
        "groups" | "groups-wires" => {
            ("frames that would teach a bridge a wrong place are dropped", SPOOFING)
        }
        "between" | "guest-between" => (
            "networks do not reach each other unless one is let to",
            "create the network with --reach OTHER",
        ),
        "host" => (
            "sandboxes of a network do not reach services of the host unless they are let to",
            "create the network with --reach host",
        ),
        "closed" => (
            "what comes from elsewhere reaches published ports alone",
            "publish the port: ropewalk publish SANDBOX PORT",
        ),
        "allow-out" => (
            "the sandbox has an allow list of what it may send, and this is not in it",
            "attach it with a line more: --allow-out 'ADDRESS PROTOCOL:PORT'",
        ),
        "allow-in" => (
            "the sandbox has an allow list of what may come to it, and this is not in it",
            "attach it with a line more: --allow-in 'ADDRESS PROTOCOL:PORT'",
        ),
        "loopback-guard" => (
            "addresses of loopback do not come from outside",
            "nothing: ask 127.0.0.1 on the host itself",
        ),
        _ => ("a rule of ropewalk's own keeps it back", "see docs/ARCHITECTURE.md"),
    };
    Some(Own { words, lifted })
}
