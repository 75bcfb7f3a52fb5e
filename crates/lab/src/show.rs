//! What happens while a lab is played, as text for people.
//!
//! Never here: where it is written.

use std::fmt;

use crate::play::Event;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab { name, about, picture, us } => {
                let about = about.as_deref().unwrap_or_default();
                writeln!(f, "\n━━ {name} ━━ {about}")?;
                if picture.is_empty() {
                    return Ok(());
                }
                indented(f, "  ", &format!("\n{picture}"))?;
                writeln!(f, "  built in {}", Time(*us))
            }
            Self::Step { say } => writeln!(f, "\n  {say}"),
            Self::Ran { on, line, output, done, us } => {
                indented(f, &format!("    {on} # "), line)?;
                indented(f, "      ", output)?;
                let end = if *done { "  ✓ done in" } else { "  ✗ refused after" };
                writeln!(f, "  {end} {}", Time(*us))
            }
            Self::Script { on, text } => {
                writeln!(f, "    what it does on {on}:")?;
                indented(f, "    │ ", text)
            }
            Self::Tried { from, action, expect, result, us, expected } => {
                let mark = if *expected { '✓' } else { '✗' };
                write!(f, "  {mark} {from:10} {action:28} {result}")?;
                if let Some(us) = us {
                    write!(f, "   {}", Time(*us))?;
                }
                match (*expected, expect.as_str()) {
                    (true, "fail") => writeln!(f, ", as it should be"),
                    (true, _) => writeln!(f),
                    (false, _) => writeln!(f, "   expected: {expect}"),
                }
            }
            Self::Stands { picture } => {
                writeln!(f)?;
                indented(f, "  ", picture)
            }
        }
    }
}

fn indented(f: &mut fmt::Formatter<'_>, by: &str, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "{}", format!("{by}{line}").trim_end()))
}

/// Microseconds, to be read.
struct Time(u128);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us @ 0..10_000 => write!(f, "{}.{:02} ms", us / 1000, us % 1000 / 10),
            us @ 10_000..1_000_000 => write!(f, "{} ms", us / 1000),
            us => write!(f, "{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn events_read_as_a_record() {
        let tried = |expect: &str, result: &str, us, expected| Event::Tried {
            from: "h1/red".parse().unwrap(),
            action: "ping 192.168.15.3".into(),
            expect: expect.into(),
            result: result.into(),
            us,
            expected,
        };
        let events = [
            Event::Lab {
                name: "pair".parse().unwrap(),
                about: Some("two hosts".into()),
                picture: "┌─┐\n└─┘\n".into(),
                us: 41_000,
            },
            Event::Step { say: "The first".into() },
            Event::Ran {
                on: "h1".parse().unwrap(),
                line: "ropewalk ps".into(),
                output: "nothing\n".into(),
                done: true,
                us: 1_234,
            },
            Event::Script { on: "h1".parse().unwrap(), text: "ip link\n".into() },
            tried("ok", "answer", Some(61), true),
            tried("fail", "no answer", None, true),
            tried("ok", "no answer", None, false),
            Event::Stands { picture: "┌─┐\n└─┘\n".into() },
        ];
        let text: String = events.iter().map(ToString::to_string).collect();
        expect![[r#"

            ━━ pair ━━ two hosts

              ┌─┐
              └─┘
              built in 41 ms

              The first
                h1 # ropewalk ps
                  nothing
                ✓ done in 1.23 ms
                what it does on h1:
                │ ip link
              ✓ h1/red     ping 192.168.15.3            answer   0.06 ms
              ✓ h1/red     ping 192.168.15.3            no answer, as it should be
              ✗ h1/red     ping 192.168.15.3            no answer   expected: ok

              ┌─┐
              └─┘
        "#]]
        .assert_eq(&text);
    }
}
