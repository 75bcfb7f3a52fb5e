//! `ropewalk why` and `ropewalk snapshot`: the question from the words or a file, the answer as a page.
//!
//! Never here: how a packet walks.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use ropewalk_engine::{Code, Fault};
use ropewalk_facts::seen::Scan;
use ropewalk_walk::{Question, Verdict, picture};

use crate::answer::{Answer, FOUND};
use crate::show;
use crate::table::{Snapshot, Why};

/// Writes what was found, as JSON.
pub(crate) fn snapshot(args: &Snapshot) -> Result<Answer, Fault> {
    let scan = ropewalk_engine::snapshot(&args.names)?;
    Answer::of(true, &scan, |_| String::new())
}

/// Says why a packet does not arrive. The exit status is 3 when it does not.
pub(crate) fn why(args: &Why, json: bool) -> Result<Answer, Fault> {
    let (scan, question) = asked(args)?;
    let verdict = match &scan {
        Some(scan) => ropewalk_engine::why_in(scan, &question)?,
        None => ropewalk_engine::why(&question, !args.no_live)?,
    };
    draw(args, scan, &question, &verdict)?;
    let look = crate::fix::look(args);
    let answer = Answer::of(json, &verdict, |verdict| show::verdict(verdict, &look))?;
    Ok(if verdict.code == "OK" { answer } else { answer.status(FOUND) })
}

/// Draws what was found, where a picture is asked for.
fn draw(
    args: &Why,
    scan: Option<Scan>,
    question: &Question,
    verdict: &Verdict,
) -> Result<(), Fault> {
    if args.svg.is_none() && args.html.is_none() {
        return Ok(());
    }
    let scan = scan.map_or_else(|| ropewalk_engine::snapshot(&question.visible), Ok)?;
    if let Some(path) = &args.svg {
        write(path, &picture::svg(&scan, verdict))?;
    }
    args.html.as_ref().map_or(Ok(()), |path| write(path, &picture::html(&scan, verdict)))
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    fs::write(path, text).map_err(|e| unreadable(path, "not to be written", &e.to_string()))
}

/// What is asked, and the file that is asked where it is not this machine.
pub(crate) fn asked(args: &Why) -> Result<(Option<Scan>, Question), Fault> {
    let scan = args.snapshot.as_deref().map(scan).transpose()?;
    let question = question(args, scan.as_ref())?;
    Ok((scan, question))
}

fn question(args: &Why, scan: Option<&Scan>) -> Result<Question, Fault> {
    if let Some(path) = &args.query {
        let text = read(path)?;
        return serde_json::from_str(&text)
            .map_err(|e| unreadable(path, "no question", &e.to_string()));
    }
    let (Some(src), Some(dst)) = (&args.src, &args.dst) else {
        return Err(
            Fault::new(Code::BadInput, "who sends, and to where?").or_try("ropewalk help why")
        );
    };
    let to = match dst.host.parse() {
        Ok(ip) => ip,
        Err(_) => ropewalk_engine::address_of(&dst.host, scan)?,
    };
    let port = args.dport.or(dst.port);
    let usual = if port.is_some() { "tcp" } else { "icmp" };
    Ok(Question {
        src: src.clone(),
        dst: to,
        proto: args.proto.clone().unwrap_or_else(|| usual.to_owned()),
        dport: port,
        sport: args.sport,
        saddr: args.saddr,
        size: args.size,
        df: args.df,
        family: None,
        visible: args.visible.clone(),
    })
}

fn scan(path: &Path) -> Result<Scan, Fault> {
    let text = read(path)?;
    serde_json::from_str(&text).map_err(|e| unreadable(path, "no snapshot", &e.to_string()))
}

fn read(path: &Path) -> Result<String, Fault> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    text.map_err(|e| unreadable(path, "not readable", &e.to_string()))
}

fn unreadable(path: &Path, what: &str, words: &str) -> Fault {
    Fault::new(Code::BadFile, format!("{} is {what}", path.display())).kernel(words)
}
