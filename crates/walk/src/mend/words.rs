//! The words of a command, and the namespace that it is run in.
//!
//!     ip netns exec h nft 'chain ip filter FORWARD { policy accept; }' ──▶ netns:h, [nft, chain ip …]
//!
//! Never here: what the words mean.

use ropewalk_facts::Ns;

use super::{ByHand, NO_WORDS};

/// Splits as a shell does: blanks, and quotes around what holds blanks. What else a shell would
/// do with it is not done.
pub(super) fn split(command: &str) -> Result<Vec<String>, ByHand> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            ('|' | '&' | ';' | '<' | '>' | '$' | '`' | '(' | ')' | '*', None) => {
                return Err("it is more than one command");
            }
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(NO_WORDS) } else { Ok(words) }
}

/// Where a command is run, and the command.
pub(super) fn place(words: &[String]) -> (Ns, &[String]) {
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    let from = |n: usize| words.get(n..).unwrap_or_default();
    match all.as_slice() {
        ["ip", "netns", "exec", name, ..] => (Ns::new(format!("netns:{name}")), from(4)),
        ["ip", "-n", name, ..] => (Ns::new(format!("netns:{name}")), from(3)),
        ["nsenter", "-t", pid, "-n", ..] => (Ns::new(format!("pid:{pid}")), from(4)),
        ["ropewalk", "exec", sandbox, "--", ..] => (crate::question::space(sandbox), from(4)),
        _ => (Ns::HOST, words),
    }
}

/// Words, read one after the other.
pub(super) struct Words<'a>(std::slice::Iter<'a, String>);

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [String]) -> Self {
        Self(words.iter())
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.0.next().map(String::as_str)
    }

    /// What the next word says.
    pub(super) fn read<T: std::str::FromStr>(&mut self) -> Result<T, ByHand> {
        self.next().and_then(|word| word.parse().ok()).ok_or(NO_WORDS)
    }

    /// The words that are left.
    pub(super) fn rest(&self) -> Vec<&'a str> {
        self.0.as_slice().iter().map(String::as_str).collect()
    }
}
