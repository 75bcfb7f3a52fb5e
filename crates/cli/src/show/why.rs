//! The page of `ropewalk why`: the way in one line, the verdict, the hops, what shows it, what repairs it.
//!
//!     red ── host ──✗
//!     NO  a rule drops 10.9.0.2 to 198.51.100.8: …                              [FILTER_DROP]
//!
//! Never here: what is wrong.

use ropewalk_walk::{Step, Verdict};

use super::columns::{cell, table};
use super::paragraph::wrapped;

const INDENT: &str = "    ";

/// The answer in words.
pub(crate) fn verdict(v: &Verdict) -> String {
    let fine = v.code == "OK";
    let mut text = way(v, fine);
    let says = if fine { "OK" } else { "NO" };
    text += &format!("{says}  {}\n", wrapped(&v.sentence, INDENT).trim_start().trim_end());
    let at = if fine { String::new() } else { format!("[{}] at {}, ", v.code, v.place) };
    text += &format!("{INDENT}{at}{}\n", v.certainty);
    for then in &v.then {
        let said = format!("and then, at {}: {} [{}]", then.place, then.sentence, then.code);
        text += &wrapped(&said, INDENT);
    }
    text += &hops("request", &v.path);
    text += &hops("answer", &v.reply);
    text += &evidence(v);
    text += &fix(v);
    for gap in &v.model_gaps {
        text += &format!("\nnot understood: {gap}\n");
    }
    text
}

/// The namespaces that it comes through, and where it ends.
fn way(v: &Verdict, fine: bool) -> String {
    let back = !v.reply.is_empty() && !fine;
    let mut names: Vec<&str> = Vec::new();
    for step in if back { &v.reply } else { &v.path } {
        if names.last() != Some(&step.netns.as_str()) {
            names.push(&step.netns);
        }
    }
    let line = names.join(" ── ");
    match (fine, back) {
        _ if names.is_empty() => String::new(),
        (true, _) => format!("{line} ── and back\n"),
        (false, true) => format!("back: {line} ──✗\n"),
        (false, false) => format!("{line} ──✗\n"),
    }
}

fn hops(name: &str, steps: &[Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let mut before = String::new();
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            let packet = if step.packet == before { "" } else { &step.packet };
            before.clone_from(&step.packet);
            vec![
                cell(format!("{:>2}", step.n)),
                cell(format!("{} {}", step.netns, step.object)),
                vec![step.action.clone(), packet.to_owned()]
                    .into_iter()
                    .filter(|line| !line.is_empty())
                    .collect(),
            ]
        })
        .collect();
    format!("\n{}", table(&[" #", "WHERE", name.to_uppercase().as_str()], &rows))
}

fn evidence(v: &Verdict) -> String {
    if v.evidence.is_empty() {
        return String::new();
    }
    let lines = v
        .evidence
        .iter()
        .map(|e| format!("{INDENT}{}: {}\n{INDENT}  {}\n", e.object, e.value, e.command));
    format!("\nseen by\n{}", lines.collect::<String>())
}

fn fix(v: &Verdict) -> String {
    if v.fix.is_empty() {
        return String::new();
    }
    let checked =
        if v.fix_checked { "checked in the model: it then passes" } else { "not checked" };
    let lines = v.fix.iter().map(|line| format!("{INDENT}{line}\n"));
    format!("\nfix ({checked})\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use ropewalk_walk::Evidence;

    use super::*;

    #[test]
    fn a_page_has_the_way_the_verdict_and_the_fix() {
        let step = |n, netns: &str, object: &str, action: &str| Step {
            n,
            netns: netns.into(),
            object: object.into(),
            action: action.into(),
            packet: "10.9.0.2 > 198.51.100.8".into(),
        };
        let said = Verdict {
            version: 1,
            code: "IP_FORWARD_OFF".into(),
            place: "host".into(),
            sentence: "net.ipv4.ip_forward is 0, so host does not forward what comes in by rw-web"
                .into(),
            certainty: "predicted".into(),
            evidence: vec![Evidence {
                object: "net.ipv4.ip_forward".into(),
                value: "0".into(),
                command: "sysctl net.ipv4.ip_forward".into(),
            }],
            fix: vec!["sysctl -w net.ipv4.ip_forward=1".into()],
            fix_checked: true,
            path: vec![
                step(1, "red", "route", "default via 10.9.0.1 dev eth0"),
                step(2, "host", "rw-web", "hands it up to the host"),
            ],
            reply: Vec::new(),
            then: Vec::new(),
            model_gaps: Vec::new(),
        };
        expect_test::expect![[r#"
            red ── host ──✗
            NO  net.ipv4.ip_forward is 0, so host does not forward what comes in by rw-web
                [IP_FORWARD_OFF] at host, predicted

             #  WHERE        REQUEST
             1  red route    default via 10.9.0.1 dev eth0
                             10.9.0.2 > 198.51.100.8
             2  host rw-web  hands it up to the host

            seen by
                net.ipv4.ip_forward: 0
                  sysctl net.ipv4.ip_forward

            fix (checked in the model: it then passes)
                sysctl -w net.ipv4.ip_forward=1
        "#]]
        .assert_eq(&verdict(&said));
    }
}
