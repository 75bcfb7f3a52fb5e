//! `ropewalk capture`: the packets of a flow at every hop, into a file or to Wireshark.
//!
//!     ropewalk capture red 198.51.100.8 -w - | wireshark -k -i -
//!
//! Never here: what is of the flow, what is said about it.

use std::fs::File;
use std::io::{self, Write};

use ropewalk_engine::{Captured, Code, Fault, Until};
use ropewalk_walk::Question;

use crate::answer::{Answer, note};
use crate::table::Capture;
use crate::why;

/// Captures until its time is over, its packets are there, or it is interrupted.
pub(crate) fn capture(args: &Capture, json: bool) -> Result<Answer, Fault> {
    let (proto, sport, saddr) = (args.proto.clone(), args.sport, args.saddr);
    let question = Question {
        sport,
        saddr,
        visible: args.visible.clone(),
        ..why::of_words(&args.src, &args.dst, proto, args.dport)?
    };
    let any = args.proto.is_none() && question.dport.is_none() && question.sport.is_none();
    let limits = Until { time: args.time, count: args.count, any };
    let path = args.write.display().to_string();
    let unfit = |error: &io::Error| {
        Fault::new(Code::BadFile, format!("{path} is not writable")).kernel(error.to_string())
    };
    let piped = path == "-";
    let mut out: Box<dyn Write> = if piped {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(&args.write).map_err(|error| unfit(&error))?)
    };
    let mut put = |bytes: &[u8]| {
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| unfit(&error))
    };
    let done = ropewalk_engine::capture(&question, limits, &mut put)?;
    if piped {
        note(&said(&done, "standard output"));
        return Ok(Answer { text: String::new(), status: 0 });
    }
    Answer::of(json, &done, |done| said(done, &path))
}

fn said(done: &Captured, path: &str) -> String {
    let Captured { packets, passings, links, without } = done;
    let mut text =
        format!("{packets} packets, seen {passings} times at {} links, in {path}\n", links.len());
    for link in links {
        text += &format!("  {link}\n");
    }
    without.iter().for_each(|what| text += &format!("without {what}\n"));
    text
}
