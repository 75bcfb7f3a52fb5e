//! Patterns of the list of settings that may be tuned: a part of regular expressions, found anywhere
//! in a text.
//!
//!     ^net\.ipv4\.conf\.[a-z]+\.arp_.*$
//!
//! `^ $ . * + ? [ ] \` and characters; what else there is, is refused.

/// One character of a text, and how often.
struct Atom {
    takes: Takes,
    least: usize,
    many: bool,
}

enum Takes {
    Any,
    One(char),
    /// Ranges; all others where the truth is false.
    Class(Vec<(char, char)>, bool),
}

/// A pattern.
pub(crate) struct Pattern {
    atoms: Vec<Atom>,
    from_begin: bool,
    to_end: bool,
}

impl Pattern {
    /// Reads a pattern; none for one that holds what is not known here.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (from_begin, rest) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let ends = rest.ends_with('$') && !rest.ends_with("\\$");
        let rest = if ends { rest.strip_suffix('$')? } else { rest };
        let mut atoms: Vec<Atom> = Vec::new();
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            let takes = match c {
                '*' | '+' | '?' => {
                    let last = atoms.last_mut().filter(|atom| atom.least == 1 && !atom.many)?;
                    last.least = usize::from(c == '+');
                    last.many = c != '?';
                    continue;
                }
                '.' => Takes::Any,
                '[' => class(&mut chars)?,
                '\\' => Takes::One(chars.next().filter(|c| !c.is_ascii_alphanumeric())?),
                '(' | ')' | '{' | '}' | '|' | '^' | '$' | ']' => return None,
                c => Takes::One(c),
            };
            atoms.push(Atom { takes, least: 1, many: false });
        }
        Some(Self { atoms, from_begin, to_end: ends })
    }

    /// True when it is in `text`.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        let last = if self.from_begin { 0 } else { chars.len() };
        (0..=last).any(|at| self.goes_on(&self.atoms, chars.get(at..).unwrap_or_default()))
    }

    fn goes_on(&self, atoms: &[Atom], rest: &[char]) -> bool {
        let Some((atom, after)) = atoms.split_first() else {
            return !self.to_end || rest.is_empty();
        };
        let run = rest.iter().take_while(|c| atom.takes.this(**c)).count();
        // One that may be left out is there once at most, unless it may be there often.
        let most = if atom.many { run } else { run.min(1) };
        (atom.least..=most).any(|n| self.goes_on(after, rest.get(n..).unwrap_or_default()))
    }
}

impl Takes {
    fn this(&self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::One(own) => *own == c,
            Self::Class(ranges, inside) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) == *inside
            }
        }
    }
}

fn class(chars: &mut std::str::Chars<'_>) -> Option<Takes> {
    let text: String = chars.by_ref().take_while(|c| *c != ']').collect();
    let (inside, text) = text.strip_prefix('^').map_or((true, text.as_str()), |rest| (false, rest));
    let all: Vec<char> = text.chars().collect();
    if all.is_empty() || all.contains(&'\\') || all.contains(&'[') {
        return None;
    }
    let mut ranges = Vec::new();
    let mut rest = all.as_slice();
    while let Some((first, after)) = rest.split_first() {
        (ranges, rest) = match after {
            ['-', to, after @ ..] => ([ranges, vec![(*first, *to)]].concat(), after),
            after => ([ranges, vec![(*first, *first)]].concat(), after),
        };
    }
    Some(Takes::Class(ranges, inside))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_found_where_regular_expressions_are() {
        let found = |pattern: &str, text: &str| Pattern::read(pattern).unwrap().is_in(text);
        assert!(found(r"^net\.ipv4\.conf\.[a-z0-9]+\.arp_.*$", "net.ipv4.conf.eth0.arp_filter"));
        assert!(!found(r"^net\.ipv4\.conf\.[a-z]+\.arp_.*$", "net.ipv4.conf.eth0.arp_filter"));
        assert!(found("somaxconn", "net.core.somaxconn") && found("", "x"));
        assert!(!found("^somaxconn", "net.core.somaxconn") && !found("core$", "net.core.x"));
        assert!(found("colou?r", "color") && found("a[^b]c", "axc") && !found("a[^b]c", "abc"));
        for unknown in ["a|b", "(a)", "a{2}", "*a", r"\d", "[", "a**"] {
            assert!(Pattern::read(unknown).is_none(), "{unknown}");
        }
    }
}
