//! Tests only: the kernel's headers as installed (Debian: linux-libc-dev), read for the values of
//! `#define`s and enumerators, so that our constants are compared with the kernel's own.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeMap;

/// Compares (header, name, value) triples with the headers. Fails when a header or a name is absent.
#[track_caller]
pub(crate) fn compare(wanted: &[(&str, &str, i128)]) {
    assert!(!wanted.is_empty());
    let mut read = BTreeMap::new();
    for &(header, name, value) in wanted {
        let known = read.entry(header).or_insert_with(|| parse(&text(header)));
        let Some(found) = known.get(name) else { panic!("{header} has no {name}") };
        assert_eq!(*found, value, "{name} in {header}");
    }
}

fn text(header: &str) -> String {
    let path = format!("/usr/include/{header}");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{path}: {e}; install the package linux-libc-dev"))
}

type Known = BTreeMap<String, i128>;

fn parse(text: &str) -> Known {
    let text = without_comments(text).replace("\\\n", " ");
    let mut known = Known::new();
    let mut code = String::new();
    let mut defines = Vec::new();
    for line in text.lines() {
        match line.trim().strip_prefix('#') {
            Some(rest) => defines.push(rest.trim().to_owned()),
            None => code.push_str(&format!("{line}\n")),
        }
    }
    enums(&code, &mut known);
    for define in defines {
        let Some(rest) = define.strip_prefix("define") else { continue };
        let mut words = rest.trim().splitn(2, char::is_whitespace);
        let (Some(name), Some(body)) = (words.next(), words.next()) else { continue };
        if known.contains_key(name) || name.contains('(') {
            continue;
        }
        if let Some(value) = value(body, &known) {
            known.insert(name.to_owned(), value);
        }
    }
    known
}

fn enums(code: &str, known: &mut Known) {
    for part in code.split("enum").skip(1) {
        let Some((head, rest)) = part.split_once('{') else { continue };
        if head.contains([';', '(', ',']) {
            continue;
        }
        let Some((body, _)) = rest.split_once('}') else { continue };
        let mut next = 0;
        for item in body.split(',').map(str::trim).filter(|i| !i.is_empty()) {
            let (name, given) = item.split_once('=').map_or((item, None), |(n, v)| (n, Some(v)));
            if let Some(v) = given {
                let Some(v) = value(v, known) else { break };
                next = v;
            }
            known.insert(name.trim().to_owned(), next);
            next += 1;
        }
    }
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((code, tail)) = rest.split_once("/*") {
        out.push_str(code);
        out.push(' ');
        rest = tail.split_once("*/").unwrap().1;
    }
    out.push_str(rest);
    let line = |l: &str| l.split("//").next().unwrap_or_default().to_owned();
    out.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The value of sums, shifts, and unions of numbers, characters and known names.
fn value(text: &str, known: &Known) -> Option<i128> {
    let text = text.trim();
    let text = text.strip_prefix("(__u32)").unwrap_or(text).trim();
    for op in ["|", "<<", "+", "-"] {
        if let Some((a, b)) = outside(text, op) {
            let (a, b) = (value(a, known)?, value(b, known)?);
            return Some(match op {
                "|" => a | b,
                "<<" => a << b,
                "+" => a + b,
                _ => a - b,
            });
        }
    }
    if let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        return value(inner, known);
    }
    if let Some(inner) = text.strip_prefix('~') {
        return Some(!value(inner, known)?);
    }
    let digits = text.trim_end_matches(['U', 'L', 'u', 'l']);
    match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok().or_else(|| known.get(text).copied()),
    }
}

/// Splits at the last `op` that is not within brackets and has something before it.
fn outside<'a>(text: &'a str, op: &str) -> Option<(&'a str, &'a str)> {
    let depth = |end: usize| {
        let part = text.get(..end).unwrap_or_default();
        part.matches('(').count().wrapping_sub(part.matches(')').count())
    };
    let found = text.rmatch_indices(op).map(|(at, _)| at);
    let at = found.filter(|at| depth(*at) == 0).find(|at| *at > 0)?;
    Some((text.get(..at)?, text.get(at + op.len()..)?))
}

#[test]
fn the_reader_reads_what_headers_hold() {
    let known = parse(
        "/* a */ enum x {\n A, /* one */\n#define A A\n B = 5, C, D = (1 << 3) | B, };\n\
         #define E 0x10\n#define F (E | 2)\n#define G(x) x\n",
    );
    let wanted = [("A", 0), ("B", 5), ("C", 6), ("D", 13), ("E", 16), ("F", 18)];
    for (name, value) in wanted {
        assert_eq!(known.get(name), Some(&value), "{name}");
    }
    assert_eq!(known.len(), wanted.len());
}
