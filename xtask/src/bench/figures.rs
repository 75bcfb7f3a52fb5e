//! Figures: medians of many runs, ratios, the aims, as a table and as JSON.
//!
//! Pure.

use std::fmt::Write as _;

use serde::Serialize;

use super::process::Cost;

/// The aim for CPU time, in times of the floor's.
const CPU_AIM: f64 = 2.5;
/// The aim for the wall time of a detach, in times of the floor's.
const WALL_AIM: f64 = 1.3;

/// What one verb cost with so many attachments present, and what the floor did.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) verb: &'static str,
    pub(crate) present: usize,
    pub(crate) floor: Vec<Cost>,
    pub(crate) ropewalk: Vec<Cost>,
}

/// A sample, condensed. Times are in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    verb: &'static str,
    present: usize,
    runs: usize,
    cpu: Pair,
    wall: Pair,
}

#[derive(Debug, Serialize)]
struct Pair {
    floor: u64,
    ropewalk: u64,
    ratio: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<f64>,
}

impl Row {
    pub(crate) fn of(sample: &Sample) -> Self {
        let pair = |of: fn(&Cost) -> u64, aim| {
            Pair::of(median(&sample.floor, of), median(&sample.ropewalk, of), aim)
        };
        Self {
            verb: sample.verb,
            present: sample.present,
            runs: sample.ropewalk.len(),
            cpu: pair(|cost| cost.cpu, Some(CPU_AIM)),
            wall: pair(|cost| cost.wall, (sample.verb == "detach").then_some(WALL_AIM)),
        }
    }
}

impl Pair {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a short process")]
    fn of(floor: u64, ropewalk: u64, aim: Option<f64>) -> Self {
        let ratio = ropewalk as f64 / floor.max(1) as f64;
        Self { floor, ropewalk, ratio: (ratio * 100.0).round() / 100.0, aim }
    }

    fn verdict(&self) -> String {
        let Some(aim) = self.aim else { return String::new() };
        let met = if self.ratio <= aim { "met" } else { "MISSED" };
        format!("(aim {aim}: {met})")
    }
}

/// The rows, as a table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::from("                    floor µs  ropewalk µs   ratio\n");
    for row in rows {
        for (what, pair) in [("CPU", &row.cpu), ("wall", &row.wall)] {
            let label = format!("{} at {:<4} {what}", row.verb, row.present);
            let (floor, ropewalk, ratio) = (pair.floor, pair.ropewalk, pair.ratio);
            let line =
                format!("{label:<18} {floor:>9} {ropewalk:>12} {ratio:>7.2}  {}", pair.verdict());
            let _written = writeln!(out, "{}", line.trim_end());
        }
    }
    out
}

/// The middle of what `of` tells of them.
pub(crate) fn median(costs: &[Cost], of: fn(&Cost) -> u64) -> u64 {
    let mut all: Vec<u64> = costs.iter().map(of).collect();
    all.sort_unstable();
    let upper = all.get(all.len() / 2).copied().unwrap_or_default();
    let lower = all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    u64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(all: &[u64]) -> Vec<Cost> {
        all.iter().map(|n| Cost { cpu: *n, wall: 10 * n }).collect()
    }

    #[test]
    fn medians_ratios_and_aims() {
        let sample = Sample {
            verb: "detach",
            present: 0,
            floor: costs(&[9, 1, 5]),
            ropewalk: costs(&[6, 100, 8, 1]),
        };
        let row = Row::of(&sample);
        assert_eq!((row.cpu.floor, row.cpu.ropewalk), (5, 7));
        let table = table(&[row]);
        assert!(table.contains("1.40  (aim 2.5: met)"), "{table}");
        assert!(table.contains("1.40  (aim 1.3: MISSED)"), "{table}");
    }
}
