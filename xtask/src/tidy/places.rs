//! No file tells where somebody's checkout or home folder is: such a path holds on one machine only.

use std::path::Path;

use super::{File, Finding};

/// Folders that every machine has, and which may therefore be named.
const COMMON: &[&str] = &["/", "/root"];

/// Paths that are this machine's own: the checkout and the home folder.
pub(crate) fn private(root: &Path) -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let paths = [root.to_string_lossy().into_owned(), home];
    paths.into_iter().filter(|path| !path.is_empty() && !COMMON.contains(&path.as_str())).collect()
}

/// Lines that contain one of the paths.
pub(crate) fn check(files: &[File], private: &[String]) -> Vec<Finding> {
    let lines =
        files.iter().flat_map(|file| file.text.lines().enumerate().map(move |line| (file, line)));
    let named = lines.filter_map(|(file, (index, line))| {
        let path = private.iter().find(|path| line.contains(path.as_str()))?;
        Some(Finding {
            path: file.path.clone(),
            line: index + 1,
            what: format!("names {path}, which is on this machine only"),
        })
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn a_checkouts_path_is_found_with_its_line() {
        let files =
            [file("a.md", "one\nsee /somewhere/checkout/x\n"), file("b.md", "/run/netns\n")];
        let found = check(&files, &["/somewhere/checkout".to_owned()]);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["a.md:2: names /somewhere/checkout, which is on this machine only"]);
    }

    #[test]
    fn the_checkout_is_private() {
        assert!(private(Path::new("/somewhere")).contains(&"/somewhere".to_owned()));
        assert!(!private(Path::new("/")).contains(&"/".to_owned()));
    }
}
