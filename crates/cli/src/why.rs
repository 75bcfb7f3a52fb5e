//! `ropewalk why` and `ropewalk snapshot`: the question from the words or a file, the answer as a page.
//!
//! Never here: how a packet walks.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ropewalk_engine::{Code, Fault, Paths};
use ropewalk_facts::seen::Scan;
use ropewalk_walk::{Question, Verdict, picture};

use crate::answer::{Answer, FOUND};
use crate::show;
use crate::table::{Snapshot, Target, Why};

/// Writes what was found, as JSON.
pub(crate) fn snapshot(args: &Snapshot) -> Result<Answer, Fault> {
    let scan = ropewalk_engine::snapshot(&args.names)?;
    Answer::of(true, &scan, |_| String::new())
}

/// Says why a packet does not arrive. The exit status is 3 when it does not.
pub(crate) fn why(args: &Why, json: bool) -> Result<Answer, Fault> {
    if let Some(network) = &args.all {
        let pairs = ropewalk_engine::why_all(&mut crate::run::open()?, network)?;
        let fine = pairs.iter().all(|pair| pair.code == "OK");
        let answer = Answer::of(json, &pairs, |pairs| show::pairs(pairs))?;
        return Ok(if fine { answer } else { answer.status(FOUND) });
    }
    let (scan, question) = asked(args)?;
    let verdict = match &scan {
        Some(scan) => ropewalk_engine::why_in(scan, &question)?,
        // Where nothing of ropewalk's is, nothing is made to look for it.
        None if Paths::from_env().state.is_dir() => {
            crate::run::open()?.why(&question, !args.no_live)?
        }
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
    let scan = scans(&args.snapshot)?;
    if scan.is_none() {
        ropewalk_engine::may_look()?;
    }
    let question = question(args, scan.as_ref())?;
    Ok((scan, question))
}

fn question(args: &Why, scan: Option<&Scan>) -> Result<Question, Fault> {
    if let Some(path) = &args.query {
        let text = read(path)?;
        return serde_json::from_str(&text)
            .map_err(|e| unreadable(path, "no question", &e.to_string()));
    }
    let Some(src) = &args.src else {
        return Err(
            Fault::new(Code::BadInput, "who sends, and to where?").or_try("ropewalk help why")
        );
    };
    Ok(Question {
        sport: args.sport,
        saddr: args.saddr,
        size: args.size,
        df: args.df,
        visible: args.visible.clone(),
        ..flow(src, args.dst.as_ref(), args.proto.clone(), args.dport, scan)?
    })
}

/// Who, to where, by which protocol; of this machine.
pub(crate) fn of_words(
    src: &str,
    dst: &Target,
    proto: Option<String>,
    dport: Option<u16>,
) -> Result<Question, Fault> {
    flow(src, Some(dst), proto, dport, None)
}

fn flow(
    src: &str,
    dst: Option<&Target>,
    proto: Option<String>,
    dport: Option<u16>,
    scan: Option<&Scan>,
) -> Result<Question, Fault> {
    // A file knows nothing of pods.
    let space = |name: &str| -> Result<String, Fault> {
        Ok(match scan {
            None => ropewalk_engine::pod(name)?.unwrap_or_else(|| name.to_owned()),
            Some(_) => name.to_owned(),
        })
    };
    let src = space(src)?;
    let to = match dst.and_then(|dst| dst.host.parse().ok()) {
        Some(ip) => ip,
        None => {
            let name = dst.map(|dst| space(&dst.host)).transpose()?;
            ropewalk_engine::address_of(&src, name.as_deref(), scan)?
        }
    };
    let dport = dport.or(dst.and_then(|dst| dst.port));
    let usual = if dport.is_some() { "tcp" } else { "icmp" };
    let proto = proto.unwrap_or_else(|| usual.to_owned());
    Ok(Question { proto, dport, internet: dst.is_none(), ..Question::ping(src, to) })
}

/// What the files hold; of several, each is a host that is called as its file.
fn scans(paths: &[PathBuf]) -> Result<Option<Scan>, Fault> {
    if let [one] = paths {
        return scan(one).map(Some);
    }
    let mut all: Option<Scan> = None;
    for path in paths {
        let host = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let next = scan(path)?.of_host(&host);
        if all.as_ref().is_some_and(|all| next.seen.keys().any(|ns| all.seen.contains_key(ns))) {
            let what = format!("two of the snapshots are called {host}, and each is a host");
            return Err(Fault::new(Code::BadInput, what).or_try("other names for the files"));
        }
        all = Some(match all {
            Some(all) => all.beside(next),
            None => next,
        });
    }
    Ok(all)
}

fn scan(path: &Path) -> Result<Scan, Fault> {
    #[derive(serde::Deserialize)]
    struct Form {
        version: u32,
    }
    let text = read(path)?;
    let bad = |e: serde_json::Error| unreadable(path, "no snapshot", &e.to_string());
    let form: Form = serde_json::from_str(&text).map_err(bad)?;
    if form.version != Scan::VERSION {
        let (found, own) = (form.version, Scan::VERSION);
        let what = format!(
            "{} is a snapshot of version {found}, and this ropewalk reads {own}",
            path.display()
        );
        return Err(Fault::new(Code::BadFile, what).or_try("the ropewalk that wrote it"));
    }
    serde_json::from_str(&text).map_err(bad)
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
