//! Every crate takes the workspace's lints, and the clippy.toml of its layer.
//!
//! clippy reads the nearest clippy.toml alone: what holds for all must stand in each of them.

use super::manifests::Crate;
use super::{File, Finding};

/// The list for product crates; the other two repeat it, dev without its first lines on processes.
const ALL: &str = "clippy.toml";
const PURE: &str = "clippy/pure.toml";
const DEV: &str = "clippy/dev.toml";
/// What crates beside the product may use all the same.
const DEV_MAY: &[&str] = &["std::process::Command", "std::thread::sleep"];

/// Which layers link to a list of their own.
const LINKS: &[(&str, &str)] = &[("nouns", PURE), ("words", PURE), ("pure", PURE), ("beside", DEV)];

/// Manifests without the workspace's lints, lists that are not linked, entries that a list lacks.
///
/// `layer` tells which layer a crate is in.
pub(crate) fn check<'a>(
    crates: &[Crate],
    files: &[File],
    layer: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Finding> {
    let text =
        |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let mut findings = Vec::new();
    for one in crates {
        let manifest = text(&one.manifest()).unwrap_or_default();
        if !manifest.contains("[lints]\nworkspace = true\n") {
            findings.push(Finding::of(&one.manifest(), "does not take the workspace's lints"));
        }
        let path = format!("{}/clippy.toml", one.folder);
        let wanted =
            LINKS.iter().find(|(name, _)| layer(&one.name) == Some(name)).map(|(_, list)| *list);
        findings.extend(link(&path, text(&path), wanted));
    }
    let all = text(ALL).unwrap_or_default();
    findings.extend(lacks(all, PURE, text(PURE), &[]));
    findings.extend(lacks(all, DEV, text(DEV), DEV_MAY));
    findings
}

/// A link (its text is where it points) that is not as wanted.
fn link(path: &str, found: Option<&str>, wanted: Option<&str>) -> Option<Finding> {
    match (found, wanted) {
        (None, None) => None,
        (Some(target), Some(list)) if target.trim_start_matches("../") == list => None,
        (_, Some(list)) => Some(Finding::of(path, format!("must be a link to {list}"))),
        (Some(_), None) => Some(Finding::of(path, format!("hides {ALL}: remove it"))),
    }
}

/// Entries of the list for all that another list does not repeat.
fn lacks(all: &str, path: &str, text: Option<&str>, but: &[&str]) -> Vec<Finding> {
    let text = text.unwrap_or_default();
    let entries = all.lines().filter(|line| line.contains("{ path = "));
    let wanted =
        entries.filter(|line| !but.iter().any(|path| line.contains(&format!("\"{path}\""))));
    let absent = wanted.filter(|line| !text.lines().any(|found| found == *line));
    absent.map(|line| Finding::of(path, format!("lacks what {ALL} has:{line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    fn crates() -> Vec<Crate> {
        let one = |name: &str| Crate {
            name: name.to_owned(),
            folder: name.to_owned(),
            edges: Vec::new(),
        };
        vec![one("pure"), one("front")]
    }

    /// In these tests a crate is called as its layer is.
    fn found(files: &[File]) -> Vec<String> {
        let layer = |name: &str| ["pure", "front"].into_iter().find(|layer| *layer == name);
        check(&crates(), files, layer).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tidy_workspace_passes() {
        let manifest = "[package]\n[lints]\nworkspace = true\n";
        let (map, command) =
            ("    { path = \"Map\" },\n", "    { path = \"std::process::Command\" },\n");
        let files = [
            file("pure/Cargo.toml", manifest),
            file("front/Cargo.toml", manifest),
            file("pure/clippy.toml", "../clippy/pure.toml"),
            file(ALL, &format!("{map}{command}")),
            file(PURE, &format!("{map}{command}    {{ path = \"File\" }},\n")),
            file(DEV, map),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_found() {
        let files = [
            file("front/Cargo.toml", "[lints]\nworkspace = true\n"),
            file("front/clippy.toml", "disallowed-types = []"),
            file(ALL, "    { path = \"Map\" },\n"),
            file(DEV, "    { path = \"Map\" },\n"),
        ];
        assert_eq!(
            found(&files),
            [
                "pure/Cargo.toml: does not take the workspace's lints",
                "pure/clippy.toml: must be a link to clippy/pure.toml",
                "front/clippy.toml: hides clippy.toml: remove it",
                "clippy/pure.toml: lacks what clippy.toml has:    { path = \"Map\" },",
            ]
        );
    }
}
