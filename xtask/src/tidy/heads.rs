//! Every Rust file says in its head what it is: it begins with `//!`, in a few lines.
//!
//! A `tests.rs` says so by its name.

use super::{File, Finding};

/// A head that is longer belongs in docs/.
const MOST: usize = 24;

/// Rust files whose head is missing or too long.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let rust =
        files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.ends_with("/tests.rs"));
    rust.filter_map(|file| {
        let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
        let what = match lines {
            0 => "begins without a head: say in `//!` lines what it is and what never happens here"
                .to_owned(),
            1..=MOST => return None,
            more => format!("has a head of {more} lines: {MOST} at most"),
        };
        Some(Finding::of(&file.path, what))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn a_head_is_there_and_short() {
        let long = "//! x\n".repeat(MOST + 1);
        let files = [
            file("a.rs", "//! Head.\n\nuse x;\n"),
            file("b.rs", "use x;\n//! Late.\n"),
            file("c.rs", &long),
            file("d.md", "text"),
            file("a/tests.rs", "use x;\n"),
        ];
        let paths: Vec<_> = check(&files).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["b.rs", "c.rs"]);
    }
}
