//! Declarations: networks and attachments in a TOML file.
//!
//!     [network.web]                      [[attach]]
//!     subnet = "10.9.0.0/24"             sandbox = "netns:red"
//!                                        network = "web"
//!                                        publish = ["8080:80"]
//!
//! Every error knows its line and column, those of meaning too: the text is parsed once into a tree
//! that keeps the places of all values.  Never here: reading the file, what is already in the kernel.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::DeTable;

use crate::endpoint::{Endpoint, RawEndpoint};
use crate::error::{Object, Problem, SpecError};
use crate::name::NetworkName;
use crate::network::{Network, RawNetwork};
use crate::raw::At;
use crate::span::Place;

/// What a file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    /// Networks, by name.
    pub networks: Vec<Network>,
    /// Attachments, in the order of the file.
    pub attachments: Vec<Endpoint>,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not TOML, or has a key or a kind of value that does not belong there.
    Toml {
        /// The parser's words.
        words: String,
    },
    /// An option is refused.
    Spec(SpecError),
}

/// A file that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// Where.
    pub place: Box<Place>,
    /// What is wrong.
    pub flaw: Flaw,
}

impl FileError {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match &self.flaw {
            Flaw::Toml { .. } => quoted(&self.place.source),
            Flaw::Spec(error) => error.problem.help(),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.flaw {
            Flaw::Toml { words } => write!(f, "{}: {words}", self.place),
            Flaw::Spec(error) => write!(f, "{}: {error}", self.place),
        }
    }
}

impl std::error::Error for FileError {}

/// The file as it is written.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    network: BTreeMap<String, RawNetwork>,
    attach: Vec<RawEndpoint>,
}

/// A table of the file.
#[derive(Clone, Copy)]
enum Entry<'a> {
    Network(&'a str),
    Attach(usize),
}

type Checked<'a, T> = Result<T, (Entry<'a>, SpecError)>;

impl Declaration {
    /// Reads `text`, the content of `file`. Attachments may name networks of the file and those
    /// `known` beside it; one of the file replaces a known one of its name.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(file: &str, text: &str, known: &[Network]) -> Result<Self, FileError> {
        let toml = |error: &toml::de::Error| {
            let place = Place::new(file, text, error.span().unwrap_or_default());
            let words = in_toml_words(error.message());
            FileError { place: Box::new(place), flaw: Flaw::Toml { words } }
        };
        let tree = DeTable::parse(text).map_err(|error| toml(&error))?;
        let raw = toml::de::Deserializer::from(tree.clone());
        let raw = Raw::deserialize(raw).map_err(|error| toml(&error))?;
        check(&raw, known).map_err(|(entry, error)| {
            let place = Place::new(file, text, span(tree.get_ref(), entry, &error));
            FileError { place: Box::new(place), flaw: Flaw::Spec(error) }
        })
    }
}

/// The definition of one network as a file, which reads back equal.
#[must_use]
pub fn to_toml(network: &Network) -> String {
    let options = RawNetwork::from(network.clone());
    let body = BTreeMap::from([("network", BTreeMap::from([(network.name.as_str(), options)]))]);
    #[expect(clippy::expect_used, reason = "texts, numbers and lists of texts are TOML")]
    toml::to_string(&body).expect("a table of options is TOML")
}

/// The parser's message on one line, with TOML's words for what serde calls by Rust's.
fn in_toml_words(message: &str) -> String {
    let words = message.trim_end().replace('\n', ", ");
    let words = words.replace("expected u32", "expected a whole number");
    words.replace("invalid type: map, expected a sequence", "a table, expected a list of tables")
}

/// The line `key = value` with its value in quotes, when only those are missing.
fn quoted(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next().unwrap_or_default().trim();
    let bare = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == ':');
    let number = value.bytes().all(|b| b.is_ascii_digit());
    let fixed = !number && !value.contains(['"', '\'', ',']) && !matches!(value, "true" | "false");
    (bare && fixed).then(|| format!("put the text in quotes: {} = \"{value}\"", key.trim()))
}

fn check<'a>(raw: &'a Raw, known: &[Network]) -> Checked<'a, Declaration> {
    let mut networks: Vec<Network> = Vec::new();
    for (name, options) in &raw.network {
        let network = RawNetwork { name: name.clone(), ..options.clone() }.check();
        networks.push(network.map_err(|error| (Entry::Network(name), error))?);
    }
    let beside = |other: &&Network| networks.iter().all(|network| network.name != other.name);
    let beside: Vec<&Network> = known.iter().filter(beside).collect();
    for (index, (name, network)) in raw.network.keys().zip(&networks).enumerate() {
        let others = networks.iter().take(index).chain(beside.iter().copied());
        check_overlap(network, others).map_err(|error| (Entry::Network(name), error))?;
    }
    let mut attachments: Vec<Endpoint> = Vec::new();
    for (index, options) in raw.attach.iter().enumerate() {
        let endpoint = options.check().and_then(|endpoint| {
            let all = networks.iter().chain(beside.iter().copied());
            endpoint.fits(find(&endpoint, all)?)?;
            attachments.iter().try_for_each(|other| endpoint.beside(other))?;
            Ok(endpoint)
        });
        attachments.push(endpoint.map_err(|error| (Entry::Attach(index), error))?);
    }
    Ok(Declaration { networks, attachments })
}

fn check_overlap<'a>(
    network: &Network,
    others: impl Iterator<Item = &'a Network>,
) -> Result<(), SpecError> {
    for other in others {
        if let Some((net, with)) = network.overlap(other) {
            let index = network.subnets.iter().position(|subnet| subnet.net == net);
            let object = Object::Network(network.name.to_string());
            let network = other.name.to_string();
            let problem = Problem::Overlap { net, other: with, network };
            return At::field(&object, "subnet").index(index.unwrap_or_default()).fail(problem);
        }
    }
    Ok(())
}

fn find<'a>(
    endpoint: &Endpoint,
    mut networks: impl Iterator<Item = &'a Network>,
) -> Result<&'a Network, SpecError> {
    let found = networks.find(|network| network.name == endpoint.network);
    found.ok_or_else(|| {
        let name = NetworkName::to_string(&endpoint.network);
        At::field(&endpoint.object(), "network").error(Problem::UnknownNetwork { name })
    })
}

/// Where the value stands that `error` is about; its table's heading where nothing is written.
fn span(root: &DeTable<'_>, entry: Entry<'_>, error: &SpecError) -> std::ops::Range<usize> {
    let (heading, table) = match entry {
        Entry::Network(name) => {
            let networks = root.get("network").and_then(|value| value.get_ref().as_table());
            match networks.and_then(|networks| networks.get_key_value(name)) {
                Some((key, table)) => (key.span(), Some(table)),
                None => (0..0, None),
            }
        }
        Entry::Attach(index) => {
            let list = root.get("attach").and_then(|value| value.get_ref().as_array());
            let table = list.and_then(|list| list.get(index));
            (table.map(Spanned::span).unwrap_or_default(), table)
        }
    };
    let value = table.and_then(|table| table.get_ref().as_table()?.get(error.field));
    let part = value.and_then(|value| {
        let list = value.get_ref().as_array();
        list.and_then(|list| list.get(error.index)).or(Some(value))
    });
    part.map_or(heading, Spanned::span)
}
