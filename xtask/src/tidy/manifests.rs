//! The workspace's crates and what they depend on, from `cargo metadata`.
//!
//! Reading asks cargo; `parse` is pure. Only what the checks ask for is kept.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::Fault;

/// One crate of the workspace.
pub(crate) struct Crate {
    /// Its name as the layer block spells it: `facts`, not `ropewalk-facts`.
    pub(crate) name: String,
    /// Its folder, from the workspace's root.
    pub(crate) folder: String,
    /// What its manifest depends on.
    pub(crate) edges: Vec<Edge>,
}

/// One dependency in a manifest.
pub(crate) struct Edge {
    /// The crate that is used, ours in short.
    pub(crate) to: String,
    /// Whether only tests use it.
    pub(crate) dev: bool,
}

impl Crate {
    /// The manifest's path from the workspace's root.
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// The crates of the workspace at a folder.
pub(crate) fn read(root: &Path) -> Result<Vec<Crate>, Fault> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root);
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    parse(&output.stdout)
}

fn parse(json: &[u8]) -> Result<Vec<Crate>, Fault> {
    let metadata: Metadata = serde_json::from_slice(json)?;
    let root = format!("{}/", metadata.workspace_root);
    Ok(metadata.packages.iter().map(|package| one(package, &root)).collect())
}

fn one(package: &Package, root: &str) -> Crate {
    let path = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
    let edges = package.dependencies.iter().map(|dependency| Edge {
        to: short(&dependency.name),
        dev: dependency.kind.as_deref() == Some("dev"),
    });
    Crate {
        name: short(&package.name),
        folder: path.strip_suffix("/Cargo.toml").unwrap_or(path).to_owned(),
        edges: edges.collect(),
    }
}

fn short(name: &str) -> String {
    name.strip_prefix("ropewalk-").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_folders_start_at_the_root() -> Result<(), Fault> {
        let json = br#"{"workspace_root": "/x", "packages": [{"name": "ropewalk-plan",
            "manifest_path": "/x/crates/plan/Cargo.toml", "dependencies": [
            {"name": "ropewalk-facts", "kind": null}, {"name": "proptest", "kind": "dev"}]}]}"#;
        let crates = parse(json)?;
        let plan = crates.first().ok_or("no crate")?;
        assert_eq!(
            (plan.name.as_str(), plan.manifest().as_str()),
            ("plan", "crates/plan/Cargo.toml")
        );
        let edges: Vec<_> = plan.edges.iter().map(|edge| (edge.to.as_str(), edge.dev)).collect();
        assert_eq!(edges, [("facts", false), ("proptest", true)]);
        Ok(())
    }
}
