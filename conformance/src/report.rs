//! What came out: a table of plugins, the failures with what was expected and seen, and JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::check::{Check, Level};
use crate::run::{Verdict, seconds};

/// One check of one plugin, and how it came out.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) plugin: &'static str,
    pub(crate) group: &'static str,
    pub(crate) check: Check,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

/// All that came out of one run.
#[derive(Clone, Debug)]
pub struct Report {
    folder: String,
    lines: Vec<Line>,
    absent: Vec<&'static str>,
    took: Duration,
}

/// The counts of a row.
#[derive(Default)]
struct Row {
    contract: (usize, usize),
    better: (usize, usize),
    newer: usize,
    cannot: usize,
}

impl Report {
    pub(crate) fn of(
        folder: &Path,
        mut lines: Vec<Line>,
        absent: Vec<&'static str>,
        took: Duration,
    ) -> Self {
        lines.sort_by_key(|line| {
            (line.plugin, line.group != "protocol", line.check.level, line.check.name)
        });
        Self { folder: folder.display().to_string(), lines, absent, took }
    }

    /// How many checks of a level failed.
    #[must_use]
    pub fn failed(&self, level: Level) -> usize {
        let failed = |line: &&Line| matches!(line.verdict, Verdict::Failed { .. });
        self.lines.iter().filter(failed).filter(|line| line.check.level == level).count()
    }

    /// The checks that failed, as `plugin/name`.
    #[must_use]
    pub fn failing(&self) -> Vec<String> {
        let failed = |line: &&Line| matches!(line.verdict, Verdict::Failed { .. });
        let name = |line: &Line| format!("{}/{}", line.plugin, line.check.name);
        self.lines.iter().filter(failed).map(name).collect()
    }

    /// How many checks passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.lines.iter().filter(|line| line.verdict == Verdict::Passed).count()
    }

    /// The table, one row for each plugin, as Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
        for line in &self.lines {
            let row = rows.entry(line.plugin).or_default();
            let level = match line.check.level {
                Level::Contract => &mut row.contract,
                Level::Better => &mut row.better,
            };
            match line.verdict {
                Verdict::Passed => level.0 += 1,
                Verdict::Failed { .. } => level.1 += 1,
                Verdict::Newer => row.newer += 1,
                Verdict::CannotRun(_) => row.cannot += 1,
            }
        }
        let mut text = "\
| plugin | contract: passed | failed | better: passed | failed | newer than these plugins | cannot run here |
| --- | --: | --: | --: | --: | --: | --: |
"
        .to_owned();
        let mut all = Row::default();
        for (plugin, row) in &rows {
            text.push_str(&row.line(plugin));
            all.add(row);
        }
        text.push_str(&all.line("all"));
        for plugin in &self.absent {
            writeln!(text, "| {plugin} | not there | | | | | |").ok();
        }
        text
    }

    /// Failures with what was expected and seen, and what could not be run, with the reason.
    #[must_use]
    pub fn failures(&self) -> String {
        let mut text = String::new();
        let mut reasons: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for line in &self.lines {
            match &line.verdict {
                Verdict::Failed { what, expected, seen } => {
                    writeln!(
                        text,
                        "FAILED {}/{} ({}): {}\n  of       {}\n  expected {}\n  seen     {}",
                        line.plugin,
                        line.check.name,
                        line.check.level,
                        line.check.holds,
                        shifted(what),
                        shifted(expected),
                        shifted(seen)
                    )
                    .ok();
                }
                Verdict::CannotRun(why) => {
                    let name = format!("{}/{}", line.plugin, line.check.name);
                    reasons.entry(why).or_default().insert(name);
                }
                Verdict::Passed | Verdict::Newer => {}
            }
        }
        for (why, names) in reasons {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            writeln!(text, "not run, {why}: {}", names.join(", ")).ok();
        }
        text
    }

    /// One line on the whole.
    #[must_use]
    pub fn summary(&self) -> String {
        let slowest = self.lines.iter().max_by_key(|line| line.took);
        let slowest = slowest.map_or(String::new(), |line| {
            format!(", the slowest {}/{} {}", line.plugin, line.check.name, seconds(line.took))
        });
        format!(
            "{} checks of {} in {}{slowest}: {} passed, {} of the contract failed, {} of better failed",
            self.lines.len(),
            self.folder,
            seconds(self.took),
            self.passed(),
            self.failed(Level::Contract),
            self.failed(Level::Better)
        )
    }

    /// Everything, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(Line::json).collect();
        json!({ "folder": self.folder, "absent": self.absent, "checks": lines })
    }
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.contract.0 += other.contract.0;
        self.contract.1 += other.contract.1;
        self.better.0 += other.better.0;
        self.better.1 += other.better.1;
        self.newer += other.newer;
        self.cannot += other.cannot;
    }

    fn line(&self, name: &str) -> String {
        let Self { contract, better, newer, cannot } = self;
        format!(
            "| {name} | {} | {} | {} | {} | {newer} | {cannot} |\n",
            contract.0, contract.1, better.0, better.1
        )
    }
}

impl Line {
    fn json(&self) -> Value {
        let mut value = json!({
            "plugin": self.plugin,
            "group": self.group,
            "name": self.check.name,
            "level": self.check.level.to_string(),
            "since": self.check.since,
            "holds": self.check.holds,
            "seconds": self.took.as_secs_f64(),
        });
        let (verdict, more) = match &self.verdict {
            Verdict::Passed => ("passed", json!({})),
            Verdict::Failed { what, expected, seen } => {
                ("failed", json!({ "what": what, "expected": expected, "seen": seen }))
            }
            Verdict::Newer => ("newer", json!({})),
            Verdict::CannotRun(why) => ("cannot run", json!({ "reason": why })),
        };
        if let (Some(fields), Value::Object(more)) = (value.as_object_mut(), more) {
            fields.insert("verdict".to_owned(), verdict.into());
            fields.extend(more);
        }
        value
    }
}

/// A text of many lines, set in below its first.
fn shifted(text: &str) -> String {
    text.trim_end().replace('\n', "\n           ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;
    use crate::check::{Held, better, contract};

    type Maker = fn(&'static str, &'static str, fn(&Host) -> Held) -> Check;

    #[test]
    fn a_report_tells_each_verdict_apart() {
        let line = |name, level: Maker, verdict| Line {
            plugin: "bridge",
            group: "bridge",
            check: level(name, "it holds", |_| Ok(())),
            verdict,
            took: Duration::ZERO,
        };
        let failed = Verdict::Failed {
            what: "mtu".to_owned(),
            expected: "1400".to_owned(),
            seen: "1500\nand more".to_owned(),
        };
        let lines = vec![
            line("a", contract, Verdict::Passed),
            line("b", contract, failed),
            line("c", better, Verdict::CannotRun("no dummy".to_owned())),
            line("d", better, Verdict::Newer),
        ];
        let report = Report::of(Path::new("/x"), lines, vec!["tap"], Duration::ZERO);
        assert!(report.table().contains("| bridge | 1 | 1 | 0 | 0 | 1 | 1 |\n"));
        assert!(report.table().contains("| tap | not there |"));
        assert_eq!((report.failed(Level::Contract), report.failed(Level::Better)), (1, 0));
        let failures = report.failures();
        assert!(failures.contains("expected 1400\n  seen     1500\n           and more\n"));
        assert!(failures.contains("not run, no dummy: bridge/c\n"), "{failures}");
        assert_eq!(report.json()["checks"][1]["verdict"], "failed");
    }
}
