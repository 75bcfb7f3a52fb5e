//! Shell: quoting, and which command reaches which namespace.
//!
//!     host        ip link …              sysctl -qw …
//!     netns:red   ip -n red link …       ip netns exec red sysctl -qw …
//!     pid:812     nsenter -t 812 -n ip link …
//!
//! Never here: what the commands say.

use ropewalk_facts::Ns;

use crate::words::Words;

/// One command line in a namespace. `tool` is `ip`, `bridge` or another program.
pub(super) fn line(ns: &Ns, tool: &str, words: Words) -> String {
    format!("{} {}", prefix(ns, tool), quoted(words))
}

/// The words of a command, quoted.
pub(super) fn quoted(words: Words) -> String {
    words.0.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// The words that run `tool` in a namespace.
pub(super) fn prefix(ns: &Ns, tool: &str) -> String {
    if ns.is_host() {
        return tool.into();
    }
    let own_option = matches!(tool.split(' ').next(), Some("ip" | "bridge" | "tc"));
    match (ns.as_str().strip_prefix("netns:"), tool.split_once(' ')) {
        (Some(name), Some((program, rest))) if own_option => {
            format!("{program} -n {} {rest}", quote(name))
        }
        (Some(name), None) if own_option => format!("{tool} -n {}", quote(name)),
        (Some(name), _) => format!("ip netns exec {} {tool}", quote(name)),
        (None, _) => format!("{} {tool}", enter(ns.as_str())),
    }
}

fn enter(text: &str) -> String {
    match text.split_once(':') {
        Some(("pid", pid)) => format!("nsenter -t {} -n", quote(pid)),
        Some((engine @ ("docker" | "podman"), _)) => {
            format!("nsenter -t {} -n", pid_of(engine, text))
        }
        _ => format!("nsenter {}", quote(&format!("--net={text}"))),
    }
}

/// The shell's words for the process of a container; `text` is `docker:NAME` or `podman:NAME`.
fn pid_of(engine: &str, text: &str) -> String {
    let name = text.split_once(':').map_or(text, |(_, name)| name);
    format!("\"$({engine} inspect -f '{{{{.State.Pid}}}}' {})\"", quote(name))
}

/// How `ip link` names a namespace, ready for the shell: by name, process or path. The namespace of
/// the script itself is that of its shell.
pub(super) fn netns(ns: &Ns) -> String {
    match ns.as_str().split_once(':') {
        _ if ns.is_host() => "$$".into(),
        Some(("netns" | "pid", name)) => quote(name),
        Some((engine @ ("docker" | "podman"), _)) => pid_of(engine, ns.as_str()),
        _ => quote(ns.as_str()),
    }
}

/// `word` as the shell takes it for one word, whatever is in it.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_words_are_quoted() {
        assert_eq!(quote("eth0.5@x"), "eth0.5@x");
        assert_eq!(quote("a;b"), "'a;b'");
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn each_kind_of_namespace_is_reached() {
        let at = |ns: &str, tool| prefix(&Ns::new(ns), tool);
        assert_eq!(at("", "ip -6 route"), "ip -6 route");
        assert_eq!(at("netns:red", "ip -6 route"), "ip -n red -6 route");
        assert_eq!(at("netns:red", "sysctl"), "ip netns exec red sysctl");
        assert_eq!(at("pid:12", "bridge fdb"), "nsenter -t 12 -n bridge fdb");
        assert_eq!(at("/run/my ns", "nft"), "nsenter '--net=/run/my ns' nft");
        let docker = "nsenter -t \"$(docker inspect -f '{{.State.Pid}}' web)\" -n ip link";
        assert_eq!(at("docker:web", "ip link"), docker);
    }
}
