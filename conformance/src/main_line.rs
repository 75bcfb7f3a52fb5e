//! The command line: what is wished for, and the report of it.

use std::path::PathBuf;

use crate::Level;
use crate::run::{Wish, run};

/// How it is called.
pub const USAGE: &str = "\
--cni DIR          the plugins that are checked
--plugin NAME      this one only; may be said again
--check TEXT       checks whose PLUGIN/NAME holds this
--json FILE        the report as JSON, `-` for standard output
--rare             only checks of what many kernels lack: VLANs, ipvlan, dummy, VRFs
--level contract   what the reference plugins do, without what ropewalk promises beyond
--all              a failure beyond the contract counts, too";

/// Runs the suite as the words say and prints what comes out; whether what counts has passed.
///
/// # Errors
/// With a sentence, when the words cannot be understood or the report cannot be written.
#[expect(clippy::print_stdout, reason = "it talks to the person at the terminal")]
pub fn main(words: &[&str]) -> Result<bool, String> {
    let asked = Asked::read(words)?;
    if !asked.wish.plugins.is_dir() {
        return Err(format!("--cni: {} is no folder", asked.wish.plugins.display()));
    }
    let report = run(&asked.wish);
    if asked.json.as_deref() == Some("-") {
        println!("{:#}", report.json());
    } else {
        println!("{}\n{}{}", report.table(), report.failures(), report.summary());
    }
    if let Some(path) = asked.json.filter(|path| path != "-") {
        let text = format!("{:#}\n", report.json());
        std::fs::write(&path, text).map_err(|why| format!("cannot write {path}: {why}"))?;
    }
    let beyond = if asked.all { report.failed(Level::Better) } else { 0 };
    Ok(report.failed(Level::Contract) + beyond == 0)
}

/// What the words ask for.
#[derive(Debug, Default)]
struct Asked {
    wish: Wish,
    json: Option<String>,
    all: bool,
}

impl Asked {
    fn read(words: &[&str]) -> Result<Self, String> {
        let mut asked = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                words.next().map(|word| (*word).to_owned()).ok_or(format!("{word} WHAT?\n{USAGE}"))
            };
            match *word {
                "--cni" => asked.wish.plugins = PathBuf::from(value()?),
                "--plugin" => asked.wish.only.push(value()?),
                "--check" => asked.wish.named = Some(value()?),
                "--json" => asked.json = Some(value()?),
                "--level" => asked.wish.contract_only = value()? == "contract",
                "--all" => asked.all = true,
                "--rare" => asked.wish.rare = true,
                other => return Err(format!("{other} is not known\n{USAGE}")),
            }
        }
        if asked.wish.plugins.as_os_str().is_empty() {
            return Err(format!("which plugins? --cni DIR\n{USAGE}"));
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_or_refused() {
        let words = ["--cni", "/x", "--plugin", "tap", "--json", "-", "--all"];
        let asked = Asked::read(&words).unwrap_or_default();
        assert_eq!((asked.wish.only, asked.all), (vec!["tap".to_owned()], true));
        assert!(Asked::read(&["--cni"]).is_err_and(|why| why.starts_with("--cni WHAT?")));
        assert!(Asked::read(&[]).is_err() && Asked::read(&["--x"]).is_err());
    }
}
