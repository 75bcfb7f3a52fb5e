//! The picture in a page of HTML.
//!
//! Never here: the picture itself.

use super::escaped;
use crate::diagnose::Verdict;
use crate::way::Step;

const STYLE: &str = "\
body{font:14px/1.5 system-ui,sans-serif;margin:24px;color:#1f2328;max-width:1500px}
svg{max-width:100%;height:auto;border:1px solid #d1d9e0;border-radius:8px}
table{border-collapse:collapse;margin:8px 0}td,th{text-align:left;padding:2px 14px 2px 0;vertical-align:top}
td,pre,code{font:12.5px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}
pre{background:#f6f8fa;border:1px solid #d1d9e0;border-radius:6px;padding:10px;overflow:auto}
h2{font-size:15px;margin:22px 0 4px}.bad td{color:#cf222e;font-weight:600}.would td{color:#818b98}";

/// The page.
pub(super) fn html(svg: &str, verdict: &Verdict) -> String {
    let title = escaped(&verdict.sentence);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ropewalk why: {title}</title>\n\
         <style>{STYLE}</style></head><body>\n{svg}\n"
    );
    out += &format!("<p>{}</p>\n", escaped(&verdict.certainty));
    for then in &verdict.then {
        let said = format!("and then, at {}: {} [{}]", then.place, then.sentence, then.code);
        out += &format!("<p>{}</p>\n", escaped(&said));
    }
    let back = !verdict.reply.is_empty();
    let none = Vec::new();
    let rest = if back { &none } else { &verdict.would.path };
    out += &table("Request", &verdict.path, rest);
    out += &table("Answer", &verdict.reply, &verdict.would.reply);
    if !verdict.evidence.is_empty() {
        let lines = verdict
            .evidence
            .iter()
            .map(|e| format!("# {}: {}\n{}\n", e.object, e.value, e.command));
        out +=
            &format!("<h2>What shows it</h2><pre>{}</pre>\n", escaped(&lines.collect::<String>()));
    }
    if !verdict.fix.is_empty() || !verdict.verbs.is_empty() || verdict.advice.is_some() {
        out += "<h2>What repairs it</h2>";
        if let Some(advice) = &verdict.advice {
            out += &format!("<p>{}</p>", escaped(advice));
        }
        if !verdict.verbs.is_empty() {
            out += &format!("<pre>{}</pre>", escaped(&verdict.verbs.join("\n")));
            out += if verdict.fix.is_empty() { "" } else { "<p>or by hand:</p>" };
        }
        if !verdict.fix.is_empty() {
            out += &format!("<pre>{}</pre>\n", escaped(&verdict.fix.join("\n")));
        }
    }
    for gap in &verdict.model_gaps {
        out += &format!("<p>not understood: {}</p>\n", escaped(gap));
    }
    out + "</body></html>\n"
}

fn table(name: &str, steps: &[Step], would: &[Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let row = |step: &Step, would: bool| {
        let class = match (would, step.verdict) {
            (true, _) => "would",
            (_, "ok") => "",
            _ => "bad",
        };
        let says = if would { "(would)" } else { step.verdict };
        let cells =
            [step.n.to_string(), step.netns.clone(), step.object.clone(), step.action.clone()];
        let cells = cells.into_iter().chain([step.packet.clone(), says.to_owned()]);
        let cells = cells.map(|cell| format!("<td>{}</td>", escaped(&cell)));
        format!("<tr class=\"{class}\">{}</tr>\n", cells.collect::<String>())
    };
    let rows = steps.iter().map(|s| row(s, false)).chain(would.iter().map(|s| row(s, true)));
    format!("<h2>{name}</h2><table>\n{}</table>\n", rows.collect::<String>())
}
