//! What becomes of the source address of packets that cross a network's edge.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Form, Problem};

/// Whether packets that cross the edge get another source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masquerade {
    /// They keep their own.
    No,
    /// They take the address of the interface they leave by.
    Yes,
    /// They take this one; a family without an address keeps its own.
    Address {
        /// For IPv4.
        v4: Option<Ipv4Addr>,
        /// For IPv6.
        v6: Option<Ipv6Addr>,
    },
}

impl Masquerade {
    /// Reads `no`, `yes`, or one address for each family; `None` when nothing is written.
    /// An error comes with the index of the text at fault.
    pub(crate) fn read(texts: &[String]) -> Result<Option<Self>, (usize, Problem)> {
        let (mut v4, mut v6) = (None, None);
        for (index, text) in texts.iter().enumerate() {
            let word = match text.as_str() {
                "no" => Some(Self::No),
                "yes" => Some(Self::Yes),
                _ => None,
            };
            if let Some(word) = word {
                let alone = texts.len() == 1;
                return if alone { Ok(Some(word)) } else { Err((index, contradiction(text))) };
            }
            let ip = text.parse().ok().filter(is_source);
            let ip = ip.ok_or_else(|| (index, Problem::unreadable(text, Form::Masquerade)))?;
            let second = match ip {
                IpAddr::V4(ip) => v4.replace(ip).is_some(),
                IpAddr::V6(ip) => v6.replace(ip).is_some(),
            };
            if second {
                return Err((index, contradiction(text)));
            }
        }
        Ok((!texts.is_empty()).then_some(Self::Address { v4, v6 }))
    }

    /// As it is written.
    pub(crate) fn write(self) -> Vec<String> {
        match self {
            Self::No => vec!["no".to_owned()],
            Self::Yes => vec!["yes".to_owned()],
            Self::Address { v4, v6 } => {
                let texts = [v4.map(|ip| ip.to_string()), v6.map(|ip| ip.to_string())];
                texts.into_iter().flatten().collect()
            }
        }
    }

    /// The addresses it names.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> {
        let (v4, v6) = match self {
            Self::Address { v4, v6 } => (v4, v6),
            Self::No | Self::Yes => (None, None),
        };
        v4.map(IpAddr::V4).into_iter().chain(v6.map(IpAddr::V6))
    }
}

fn contradiction(text: &str) -> Problem {
    Problem::Contradiction { text: text.to_owned() }
}

fn is_source(ip: &IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn read(texts: &[&str]) -> Result<Option<Masquerade>, (usize, Problem)> {
        Masquerade::read(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn it_reads_words_and_addresses_and_writes_them_back() {
        for texts in [&["no"][..], &["yes"], &["1.2.3.4"], &["fd00::1"], &["1.2.3.4", "fd00::1"]] {
            let read = read(texts).unwrap().unwrap();
            assert_eq!(read.write(), texts);
        }
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn words_stand_alone_and_a_family_has_one_address() {
        for (texts, at) in
            [(&["no", "yes"][..], 0), (&["1.2.3.4", "yes"], 1), (&["1.2.3.4", "1.2.3.5"], 1)]
        {
            let (index, problem) = read(texts).unwrap_err();
            assert!(matches!(problem, Problem::Contradiction { .. }), "{texts:?}");
            assert_eq!(index, at, "{texts:?}");
        }
        for bad in ["maybe", "", "127.0.0.1", "0.0.0.0", "ff02::1", "true"] {
            assert!(read(&[bad]).is_err(), "{bad}");
        }
    }
}
