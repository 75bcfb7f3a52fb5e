//! The picture in docs/ARCHITECTURE.md, read as data: who may use whom.
//!
//!     front     cli lab            a layer, the highest first: it may use all below it
//!     beside    testnet xtask      uses what it likes; others use it in their tests only
//!     cli -> lab                   a sibling that may be used
//!     pure !> tokio clap           crates from outside that a layer keeps out
//!
//! Never here: reading files.

use std::collections::BTreeMap;

use super::Finding;
use super::manifests::{Crate, Edge};

/// Where the picture is.
pub(crate) const PICTURE: &str = "docs/ARCHITECTURE.md";

/// The layer that stands beside the others.
const BESIDE: &str = "beside";

/// The picture as data.
#[derive(Default)]
pub(crate) struct Layers {
    /// Layer names, the highest first.
    order: Vec<String>,
    /// Crate → its layer's place in `order`.
    place: BTreeMap<String, usize>,
    /// Siblings that may be used: user, used.
    siblings: Vec<(String, String)>,
    /// Crates from outside that a layer keeps out: layer, crate.
    kept_out: Vec<(String, String)>,
}

/// Edges that the picture does not allow, and crates that it or the code map lacks.
pub(crate) fn check(layers: &Layers, document: &str, crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in crates {
        let Some(place) = layers.place.get(&one.name) else {
            findings.push(Finding::of(PICTURE, format!("crate {} is in no layer", one.name)));
            continue;
        };
        if !document.contains(&format!("### {}\n", one.name)) {
            findings
                .push(Finding::of(PICTURE, format!("crate {} is not in the code map", one.name)));
        }
        let refused = one.edges.iter().filter_map(|edge| refusal(layers, one, *place, edge));
        findings.extend(refused.map(|what| Finding::of(&one.manifest(), what)));
    }
    let absent = layers.place.keys().filter(|name| crates.iter().all(|one| one.name != **name));
    findings.extend(absent.map(|name| Finding::of(PICTURE, format!("there is no crate {name}"))));
    findings
}

/// Why an edge is not allowed, if it is not.
fn refusal(layers: &Layers, from: &Crate, place: usize, edge: &Edge) -> Option<String> {
    let layer = layers.order.get(place)?;
    if layer == BESIDE {
        return None;
    }
    let Some(below) = layers.place.get(&edge.to) else {
        let kept = layers.kept_out.iter().any(|(who, what)| who == layer && *what == edge.to);
        return (kept && !edge.dev).then(|| format!("layer {layer} keeps {} out", edge.to));
    };
    let target = layers.order.get(*below)?;
    if target == BESIDE {
        return (!edge.dev).then(|| format!("{} is for tests only", edge.to));
    }
    let sibling = layers.siblings.iter().any(|(user, used)| *user == from.name && *used == edge.to);
    let allowed = sibling || *below > place || (edge.dev && *below == place);
    (!allowed).then(|| {
        format!(
            "{} ({layer}) may not use {} ({target}): see the picture in {PICTURE}",
            from.name, edge.to
        )
    })
}

/// Reads the block between the line ```` ```layers ```` and the next fence.
pub(crate) fn read(document: &str) -> Result<Layers, Finding> {
    let mut layers = Layers::default();
    let mut lines = document.lines().enumerate().skip_while(|(_, line)| *line != "```layers");
    if lines.next().is_none() {
        return Err(Finding::of(PICTURE, "has no block that begins with ```layers"));
    }
    for (index, line) in lines.take_while(|(_, line)| *line != "```") {
        let words: Vec<&str> = line.split_whitespace().collect();
        layers.add(&words).map_err(|what| Finding {
            path: PICTURE.to_owned(),
            line: index + 1,
            what,
        })?;
    }
    Ok(layers)
}

impl Layers {
    /// The layer a crate is in.
    pub(crate) fn of(&self, name: &str) -> Option<&str> {
        self.order.get(*self.place.get(name)?).map(String::as_str)
    }

    /// Takes one line of the block.
    fn add(&mut self, words: &[&str]) -> Result<(), String> {
        let own = |text: &&str| (*text).to_owned();
        if let Some(at) = words.iter().position(|word| matches!(*word, "->" | "!>")) {
            let (left, right) = words.split_at(at);
            let pairs = left
                .iter()
                .flat_map(|who| right.iter().skip(1).map(move |what| (own(who), own(what))));
            match right.first() {
                Some(&"->") => self.siblings.extend(pairs),
                _ => self.kept_out.extend(pairs),
            }
            return self.known(left, right.first().copied());
        }
        let Some((layer, names)) = words.split_first() else { return Ok(()) };
        for name in names {
            if self.place.insert(own(name), self.order.len()).is_some() {
                return Err(format!("{name} is in two layers"));
            }
        }
        self.order.push(own(layer));
        Ok(())
    }

    /// The left side of a rule names crates (`->`) or layers (`!>`) that stand above it in the block.
    fn known(&self, left: &[&str], rule: Option<&str>) -> Result<(), String> {
        let unknown = left.iter().find(|word| match rule {
            Some("->") => !self.place.contains_key(**word),
            _ => !self.order.iter().any(|layer| layer == *word),
        });
        unknown.map_or(Ok(()), |word| Err(format!("{word} is not known yet")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# x\n```layers\nfront a b\nnouns c\nbeside t\n\na -> b\nnouns !> tokio\n```\n\
        ### a\n### b\n### c\n### t\n";

    fn one(name: &str, edges: &[(&str, bool)]) -> Crate {
        let edges = edges.iter().map(|(to, dev)| Edge { to: (*to).to_owned(), dev: *dev });
        Crate { name: name.to_owned(), folder: format!("crates/{name}"), edges: edges.collect() }
    }

    fn found(crates: &[Crate]) -> Vec<String> {
        said(DOCUMENT, crates)
    }

    fn said(document: &str, crates: &[Crate]) -> Vec<String> {
        let findings = match read(document) {
            Ok(layers) => check(&layers, document, crates),
            Err(finding) => vec![finding],
        };
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_picture_allows_passes() {
        let a = one("a", &[("b", false), ("c", false), ("t", true), ("tokio", false)]);
        let t = one("t", &[("a", false)]);
        assert_eq!(
            found(&[a, one("b", &[("c", true)]), one("c", &[("serde", false)]), t]),
            [""; 0]
        );
    }

    #[test]
    fn edges_upward_and_to_siblings_are_refused() {
        let crates =
            [one("a", &[]), one("b", &[("a", false)]), one("c", &[("b", true)]), one("t", &[])];
        let found = found(&crates);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().any(|what| what.contains("b (front) may not use a (front)")),
            "{found:?}"
        );
        assert!(
            found.iter().any(|what| what.contains("c (nouns) may not use b (front)")),
            "{found:?}"
        );
    }

    #[test]
    fn test_crates_and_kept_out_crates_are_refused() {
        let c = one("c", &[("t", false), ("tokio", false)]);
        let found = found(&[one("a", &[]), one("b", &[]), c, one("t", &[])]);
        assert_eq!(
            found,
            [
                "crates/c/Cargo.toml: t is for tests only",
                "crates/c/Cargo.toml: layer nouns keeps tokio out"
            ]
        );
    }

    #[test]
    fn picture_and_workspace_name_the_same_crates() {
        let found = found(&[one("a", &[]), one("b", &[]), one("c", &[]), one("d", &[])]);
        assert_eq!(
            found,
            [
                "docs/ARCHITECTURE.md: crate d is in no layer",
                "docs/ARCHITECTURE.md: there is no crate t"
            ]
        );
        let unmapped = said("```layers\nnouns c\n```\n", &[one("c", &[])]);
        assert_eq!(unmapped, ["docs/ARCHITECTURE.md: crate c is not in the code map"]);
    }

    #[test]
    fn a_broken_block_is_a_finding() {
        let broken = |document: &str| said(document, &[]).concat();
        assert!(broken("# nothing").contains("has no block"));
        assert!(broken("```layers\na b\nc b\n```").contains(":3: b is in two layers"));
        assert!(broken("```layers\na b\nx !> tokio\n```").contains(":3: x is not known yet"));
    }
}
