//! Values of arguments: what is no such value is refused here, with what was expected.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use ropewalk_facts::{IfName, Mac, NameError};
use ropewalk_lab::BadName;
use ropewalk_spec::{Allow, Form, NetworkName, Problem, Publish, Rate, SandboxRef};

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Trial {
    /// Only show what would change
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only print the shell script that does the same with ip, nft and sysctl
    #[arg(long)]
    pub(crate) sh: bool,
}

impl Trial {
    /// Nothing is to be done.
    pub(crate) fn asked(self) -> bool {
        self.dry_run || self.sh
    }
}

/// A kind of value that people write.
pub(crate) trait Written: FromStr {
    /// What is wrong with `text`.
    fn problem(text: &str, error: Self::Err) -> Problem;
}

/// A value that was refused: what is wrong with it, and what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Unfit {
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

impl From<Problem> for Unfit {
    fn from(problem: Problem) -> Self {
        Self { what: problem.to_string(), help: problem.help() }
    }
}

/// The value that `text` stands for.
pub(crate) fn parsed<T: Written>(text: &str) -> Result<T, Unfit> {
    text.parse().map_err(|error| T::problem(text, error).into())
}

/// `text`, once it is known to stand for a value.
pub(crate) fn checked<T: Written>(text: &str) -> Result<String, Unfit> {
    parsed::<T>(text).map(|_| text.to_owned())
}

/// A name in a lab.
pub(crate) fn named<T: FromStr<Err = BadName>>(text: &str) -> Result<T, Unfit> {
    let unfit = |error: BadName| Unfit { what: error.to_string(), help: None };
    text.parse().map_err(unfit)
}

/// The name of a network.
pub(crate) fn network(text: &str) -> Result<NetworkName, Unfit> {
    parsed(text)
}

/// A number of bytes. Whether a network can have it is for the check of the whole.
pub(crate) fn mtu(text: &str) -> Result<u32, Unfit> {
    text.parse().map_err(|_| unreadable(text, Form::Mtu).into())
}

/// A time in seconds (`30s`, `30`) or minutes (`2m`), at least a second.
pub(crate) fn time(text: &str) -> Result<Duration, Unfit> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = number.parse().ok().and_then(|n: u64| n.checked_mul(unit));
    let seconds = seconds.filter(|n| (1..=3600).contains(n)).map(Duration::from_secs);
    seconds.ok_or_else(|| Unfit {
        what: format!("{text:?} is not a time"),
        help: Some("write 30s or 2m, up to an hour".into()),
    })
}

/// A network that is taken along, and all its addresses.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) name: NetworkName,
    pub(crate) pools: Vec<IpNet>,
}

/// `NAME[=POOL,…]`
pub(crate) fn taken(text: &str) -> Result<Taken, Unfit> {
    let (name, pools) = text.split_once('=').unwrap_or((text, ""));
    let pool = |text: &str| {
        let net = text.parse::<IpNet>().map_err(|_| unreadable(text, Form::Subnet))?;
        match net == net.trunc() {
            true => Ok(net),
            false => Err(Problem::HostBits { net, right: net.trunc() }),
        }
    };
    let pools = pools.split(',').filter(|text| !text.is_empty()).map(pool);
    Ok(Taken { name: parsed(name)?, pools: pools.collect::<Result<_, _>>()? })
}

fn unreadable(text: &str, form: Form) -> Problem {
    Problem::Unreadable { text: text.to_owned(), form }
}

impl Written for SandboxRef {
    fn problem(_: &str, error: Problem) -> Problem {
        error
    }
}
impl Written for Rate {
    fn problem(_: &str, error: Problem) -> Problem {
        error
    }
}
impl Written for Allow {
    fn problem(_: &str, error: Problem) -> Problem {
        error
    }
}
impl Written for Publish {
    fn problem(_: &str, error: Problem) -> Problem {
        error
    }
}
impl Written for NetworkName {
    fn problem(text: &str, why: NameError) -> Problem {
        Problem::Name { text: text.to_owned(), why }
    }
}
impl Written for IfName {
    fn problem(text: &str, why: NameError) -> Problem {
        Problem::Name { text: text.to_owned(), why }
    }
}
impl Written for Mac {
    fn problem(text: &str, _: NameError) -> Problem {
        unreadable(text, Form::Mac)
    }
}
impl Written for IpAddr {
    fn problem(text: &str, _: std::net::AddrParseError) -> Problem {
        unreadable(text, Form::Address)
    }
}
