//! The keys of `portmap`, and whose rules they are for.
//!
//!     "conditionsV4": ["-s", "192.0.2.0/24"]     iptables' own words, so only iptables can be asked

use ipnet::IpNet;
use ropewalk_topology::chains::{DNAT, MARK_BIT, Mark};

use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::net::Task;

/// What is asked for beside ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// What comes from the container itself, and from 127.0.0.1, is masqueraded.
    pub(super) snat: bool,
    /// And what comes from anywhere.
    pub(super) all: bool,
    /// What else a packet has to be like, in IPv4 and IPv6.
    pub(super) conditions: [Vec<String>; 2],
    bit: u8,
    chain: String,
    backend: Backend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Any,
    Iptables,
    Nftables,
}

impl Wish {
    /// Reads the keys.
    pub(super) fn read(conf: &Conf) -> Result<Self, Fault> {
        let bit = conf.fields.number("markMasqBit")?;
        let chain = conf.fields.text("externalSetMarkChain")?;
        if bit.is_some() && !chain.is_empty() {
            return config("Cannot specify externalSetMarkChain and markMasqBit");
        }
        let bit = match bit.map_or(Ok(MARK_BIT), u8::try_from) {
            Ok(bit) if bit < 32 => bit,
            Ok(_) | Err(_) => return config("MasqMarkBit must be between 0 and 31"),
        };
        let backend = match conf.fields.text("backend")?.as_str() {
            "" => Backend::Any,
            "iptables" => Backend::Iptables,
            "nftables" => Backend::Nftables,
            other => return config(&format!("unknown backend {other:?}")),
        };
        let wish = Self {
            snat: conf.fields.truth("snat")? != Some(false),
            all: conf.fields.truth("masqAll")? == Some(true),
            conditions: [conf.fields.texts("conditionsV4")?, conf.fields.texts("conditionsV6")?],
            bit,
            chain,
            backend,
        };
        wish.agrees().map(|()| wish)
    }

    /// Refuses what the backend does not know.
    fn agrees(&self) -> Result<(), Fault> {
        let odd = |text: &String| text.chars().any(char::is_control);
        if self.conditions.iter().flatten().chain([&self.chain]).any(odd) {
            return config("a line end is no part of a condition or of a chain's name");
        }
        let given = || self.conditions.iter().filter_map(|words| words.first());
        let nft = given().find(|word| !is_iptables(word));
        let xt = given().any(|word| is_iptables(&word));
        match (self.backend, nft) {
            (Backend::Nftables, _) if xt => {
                config("conditions in iptables' words need the backend iptables")
            }
            (Backend::Nftables, _) if !self.chain.is_empty() => {
                config("externalSetMarkChain needs the backend iptables")
            }
            (Backend::Iptables, Some(word)) => config(&format!(
                "conditions for the backend iptables begin with - or !, not {word:?}"
            )),
            (_, Some(word)) => unsupported(&format!("conditions in nft's words ({word:?} …)")),
            (Backend::Nftables, None) if self.all => {
                unsupported("masqAll with the backend nftables")
            }
            (_, None) => Ok(()),
        }
    }

    /// True where the chains of the reference plugins are asked for: by the backend, by keys that
    /// only they know, or because they are there, and no backend is named.
    pub(super) fn by_iptables(
        &self,
        task: &mut Task<'_>,
        addresses: &[IpNet],
    ) -> Result<bool, Fault> {
        let conditions = self.conditions.iter().any(|words| !words.is_empty());
        match self.backend {
            Backend::Iptables => return Ok(true),
            Backend::Nftables => return Ok(false),
            Backend::Any if conditions || self.all || !self.chain.is_empty() => return Ok(true),
            Backend::Any => {}
        }
        for v6 in [false, true] {
            let has = addresses.iter().any(|net| net.addr().is_ipv6() == v6);
            if has && task.engine.has_chain(v6, "nat", DNAT)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What asks for masquerading.
    pub(super) fn mark(&self) -> Mark<'_> {
        match self.chain.as_str() {
            "" => Mark::Bit(self.bit),
            name => Mark::Chain(name),
        }
    }
}

/// True for a word that a rule of iptables may begin with.
fn is_iptables(word: &&String) -> bool {
    word.starts_with(['-', '!'])
}

fn config<T>(what: &str) -> Result<T, Fault> {
    Err(Fault::new(Code::Config, format!("portmap: {what}")))
}

fn unsupported(what: &str) -> Result<(), Fault> {
    let way_out = "the backend iptables knows conditions in iptables' words, and masqAll";
    Err(Fault::new(Code::Unsupported, format!("portmap: {what} is not supported")).details(way_out))
}
