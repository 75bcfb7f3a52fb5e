//! No forgotten files: a Rust file that nothing lists is never compiled, and a test in it never fails.
//!
//!     src/a/b.rs          `mod b;` in src/a/mod.rs or src/a.rs
//!     tests/it/b.rs       `mod b;` in tests/it/main.rs
//!     tests/it/main.rs    `path = "tests/it/main.rs"` in Cargo.toml, since test discovery is off

use super::{File, Finding};

/// Rust files that neither a module nor a manifest lists.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    let forgotten = rust.filter(|file| !is_root(&file.path) && !is_listed(&file.path, files));
    forgotten.map(|file| Finding::of(&file.path, "no module or manifest lists this file")).collect()
}

/// What cargo finds by itself.
fn is_root(path: &str) -> bool {
    ["/src/lib.rs", "/src/main.rs", "/build.rs"].iter().any(|root| path.ends_with(root))
}

fn is_listed(path: &str, files: &[File]) -> bool {
    in_manifest(path, files) || in_module(path, files).unwrap_or(false)
}

/// Whether the crate's manifest names the file, as it must for tests, examples, benches
/// and programs beside the main one.
fn in_manifest(path: &str, files: &[File]) -> bool {
    let split =
        ["/tests/", "/examples/", "/benches/", "/src/bin/"].iter().find_map(|part| path.find(part));
    let Some((folder, inner)) = split.and_then(|at| path.split_at_checked(at)) else {
        return false;
    };
    let wanted = format!("path = \"{}\"", inner.trim_start_matches('/'));
    text(files, &format!("{folder}/Cargo.toml")).is_some_and(|manifest| manifest.contains(&wanted))
}

/// Whether the module above the file lists it.
fn in_module(path: &str, files: &[File]) -> Option<bool> {
    let path = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs"))?;
    let (folder, name) = path.rsplit_once('/')?;
    let above = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"].map(|end| format!("{folder}{end}"));
    let line = format!("mod {name};");
    Some(above.iter().filter_map(|parent| text(files, parent)).any(|text| {
        text.lines()
            .any(|found| found.strip_suffix(&line).is_some_and(|before| !before.contains("//")))
    }))
}

fn text<'a>(files: &'a [File], path: &str) -> Option<&'a str> {
    files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    fn forgotten(files: &[File]) -> Vec<String> {
        check(files).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn listed_files_pass() {
        let files = [
            file("crates/a/Cargo.toml", "[[test]]\nname = \"it\"\npath = \"tests/it/main.rs\"\n"),
            file("crates/a/src/lib.rs", "mod one;\npub(crate) mod two;\n"),
            file("crates/a/src/one.rs", ""),
            file("crates/a/src/two/mod.rs", "mod three;\n"),
            file("crates/a/src/two/three.rs", ""),
            file("crates/a/tests/it/main.rs", "mod case;\n"),
            file("crates/a/tests/it/case.rs", ""),
        ];
        assert_eq!(forgotten(&files), [""; 0]);
    }

    #[test]
    fn a_test_file_that_no_runner_lists_is_found() {
        let files = [
            file("crates/a/Cargo.toml", ""),
            file("crates/a/src/lib.rs", "// mod one;\nmod another_one;\n"),
            file("crates/a/src/one.rs", ""),
            file("crates/a/src/two/mod.rs", ""),
            file("crates/a/tests/it/main.rs", ""),
            file("crates/a/tests/it/case.rs", ""),
            file("crates/a/tests/loose.rs", ""),
        ];
        assert_eq!(
            forgotten(&files),
            [
                "crates/a/src/one.rs",
                "crates/a/src/two/mod.rs",
                "crates/a/tests/it/main.rs",
                "crates/a/tests/it/case.rs",
                "crates/a/tests/loose.rs"
            ]
        );
    }
}
