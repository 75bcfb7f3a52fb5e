//! `cargo xtask tidy`: what the compiler does not check about this code base.
//!
//! Files and manifests are read here, once; each check is a pure function from them to findings, in a file of its own.

mod heads;
mod layers;
mod lints;
mod listed;
mod manifests;
mod places;
mod sizes;

use std::fmt;
use std::fs;
use std::path::Path;

use crate::Fault;
use crate::test::root;

/// A text file of the workspace, by its path from the root.
pub(crate) struct File {
    /// Path from the workspace's root, with `/`.
    pub(crate) path: String,
    /// All of it; of a link, where it points.
    pub(crate) text: String,
}

/// One thing that is not as it should be, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, from the workspace's root.
    pub(crate) path: String,
    /// The line, counted from 1; 0 is the whole file.
    pub(crate) line: usize,
    /// What is wrong, and what to do.
    pub(crate) what: String,
}

impl Finding {
    /// A finding about a whole file.
    pub(crate) fn of(path: &str, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 0, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Runs every check and prints what they find.
pub(crate) fn run() -> Result<(), Fault> {
    let mut files = Vec::new();
    collect(root(), "", &mut files)?;
    let crates = manifests::read(root())?;
    let document = text_of(&files, layers::PICTURE)?;
    let layers = layers::read(document).map_err(|finding| finding.to_string())?;
    let mut findings = layers::check(&layers, document, &crates);
    findings.extend(lints::check(&crates, &files, |name| layers.of(name)));
    findings.extend(heads::check(&files));
    findings.extend(listed::check(&files));
    findings.extend(places::check(&files, &places::private(root())));
    findings.extend(sizes::check(&files));
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} crates, {}", crates.len(), sizes::summary(&files));
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("{count} findings").into()),
    }
}

fn text_of<'a>(files: &'a [File], path: &str) -> Result<&'a str, Fault> {
    let found = files.iter().find(|file| file.path == path);
    Ok(found.ok_or_else(|| format!("{path} is missing"))?.text.as_str())
}

/// Every text file below a folder, in order of name; what is built and what is git's own is left out.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), Fault> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if path == "target" || path == ".git" {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
            continue;
        }
        let bytes = if kind.is_symlink() {
            fs::read_link(entry.path())?.into_os_string().into_encoded_bytes()
        } else {
            fs::read(entry.path())?
        };
        files.extend(String::from_utf8(bytes).map(|text| File { path, text }));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}
