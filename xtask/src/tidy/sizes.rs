//! A file answers one question and stays small: at most 500 lines, tests not counted.

use super::{File, Finding};

/// The most lines a Rust file may have before its tests.
const MOST: usize = 500;

/// Rust files that are too long.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let sized = files.iter().filter_map(|file| Some((file, lines(file)?)));
    let long = sized.filter(|(_, lines)| *lines > MOST);
    long.map(|(file, lines)| {
        Finding::of(
            &file.path,
            format!("has {lines} lines before its tests: {MOST} at most, split it"),
        )
    })
    .collect()
}

/// Number of files, the median and the 95th percentile of their lines.
pub(crate) fn summary(files: &[File]) -> String {
    let mut sizes: Vec<usize> = files.iter().filter_map(lines).collect();
    sizes.sort_unstable();
    let at = |share: usize| sizes.get(sizes.len() * share / 100).copied().unwrap_or_default();
    format!("{} files of source, lines: median {}, p95 {}", sizes.len(), at(50), at(95))
}

/// Lines of a source file up to its tests; none for tests and for what is not Rust.
fn lines(file: &File) -> Option<usize> {
    let test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    let source = file.path.ends_with(".rs") && !test;
    source.then(|| file.text.lines().take_while(|line| *line != "#[cfg(test)]").count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn tests_do_not_count() {
        let long = "x\n".repeat(MOST + 1);
        let most = format!("{}#[cfg(test)]\n{long}", "x\n".repeat(MOST));
        let files = [
            file("crates/a/src/lib.rs", &long),
            file("crates/a/src/b.rs", &most),
            file("crates/a/tests/it/main.rs", &long),
            file("README.md", &long),
        ];
        let paths: Vec<_> = check(&files).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["crates/a/src/lib.rs"]);
        assert_eq!(summary(&files), "2 files of source, lines: median 501, p95 501");
    }
}
