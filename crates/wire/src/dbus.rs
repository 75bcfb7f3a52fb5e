//! Messages of D-Bus, as far as a question with words and its answer take them.
//!
//!     l 1 2 1 · body's length · serial · [(1 /path) (2 interface) (3 member) (6 who) (8 "ss")] · words
//!
//! <https://dbus.freedesktop.org/doc/dbus-specification.html>, "Message Protocol".  A message is
//! little-endian when it is ours; answers may be either.  Never here: sockets.

/// The longest message that is read. The answers that are asked for have some hundred bytes.
pub const LONGEST: usize = 1 << 20;
/// The fixed part of a header, up to the length of its fields.
pub const HEAD: usize = 16;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
/// The one that is asked is not started for it.
const NO_AUTO_START: u8 = 2;
/// Kinds of fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Its number, which the answer bears.
    pub serial: u32,
    /// Who is asked.
    pub destination: &'a str,
    /// Which object.
    pub path: &'a str,
    /// By which interface.
    pub interface: &'a str,
    /// What.
    pub member: &'a str,
    /// With which words.
    pub words: &'a [&'a str],
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The number of the question.
    pub serial: u32,
    /// What was said.
    pub said: Said,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A text.
    Text(String),
    /// Yes or no.
    Truth(bool),
    /// Something else, or nothing.
    Other,
    /// A refusal.
    Error {
        /// Its kind.
        name: String,
        /// In words, if there are any.
        text: String,
    },
}

impl Call<'_> {
    /// The message.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.words.iter().for_each(|word| put_text(&mut body, word));
        let mut fields = Vec::new();
        // Fields begin where a header without them ends, which is a multiple of eight.
        put_field(&mut fields, PATH, b'o', self.path);
        put_field(&mut fields, INTERFACE, b's', self.interface);
        put_field(&mut fields, MEMBER, b's', self.member);
        put_field(&mut fields, DESTINATION, b's', self.destination);
        if !self.words.is_empty() {
            pad(&mut fields, 8);
            fields.extend([SIGNATURE, 1, b'g', 0, small(self.words.len())]);
            fields.extend(self.words.iter().map(|_| b's'));
            fields.push(0);
        }
        let mut out = vec![b'l', CALL, NO_AUTO_START, 1];
        out.extend(length(&body));
        out.extend(self.serial.to_le_bytes());
        out.extend(length(&fields));
        out.extend(fields);
        pad(&mut out, 8);
        out.extend(body);
        out
    }
}

/// The length of the message that begins with `head`; none when it is none, or too long.
#[must_use]
pub fn whole(head: &[u8; HEAD]) -> Option<usize> {
    let words = Words::of(head)?;
    let body = usize::try_from(words.u32(4)?).ok()?;
    let fields = usize::try_from(words.u32(12)?).ok()?;
    let length = HEAD.checked_add(fields)?.checked_next_multiple_of(8)?.checked_add(body)?;
    (length <= LONGEST).then_some(length)
}

/// The answer that a whole message is; none when it is something else.
#[must_use]
pub fn reply(message: &[u8]) -> Option<Reply> {
    let words = Words::of(message)?;
    let kind = *message.get(1)?;
    let fields = usize::try_from(words.u32(12)?).ok()?;
    let end = HEAD.checked_add(fields).filter(|end| *end <= message.len())?;
    let (mut serial, mut name, mut signature) = (None, String::new(), String::new());
    let mut at = HEAD;
    while at < end {
        at = at.checked_next_multiple_of(8)?;
        let code = *message.get(at)?;
        let (found, next) = words.variant(at.checked_add(1)?)?;
        match (code, found) {
            (REPLY_SERIAL, Found::Number(number)) => serial = Some(number),
            (ERROR_NAME, Found::Text(text)) => name = text,
            (SIGNATURE, Found::Text(text)) => signature = text,
            _ => {}
        }
        at = next;
    }
    let body = end.checked_next_multiple_of(8)?;
    let text = || words.text(body).map(|(text, _)| text);
    let said = match (kind, signature.chars().next()) {
        (RETURN, Some('s')) => Said::Text(text()?),
        (RETURN, Some('b')) => Said::Truth(words.u32(body)? != 0),
        (RETURN, _) => Said::Other,
        (ERROR, Some('s')) => Said::Error { name, text: text()? },
        (ERROR, _) => Said::Error { name, text: String::new() },
        _ => return None,
    };
    Some(Reply { serial: serial?, said })
}

fn put_field(out: &mut Vec<u8>, code: u8, kind: u8, text: &str) {
    pad(out, 8);
    out.extend([code, 1, kind, 0]);
    put_text(out, text);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    pad(out, 4);
    out.extend(length(text.as_bytes()));
    out.extend(text.as_bytes());
    out.push(0);
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn small(n: usize) -> u8 {
    u8::try_from(n).unwrap_or(u8::MAX)
}

fn pad(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

/// What a field holds.
enum Found {
    Text(String),
    Number(u32),
}

/// A message in its byte order.
struct Words<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Words<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.first()? {
            b'l' => true,
            b'B' => false,
            _ => return None,
        };
        Some(Self { bytes, little })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// A text and where it ends.
    fn text(&self, at: usize) -> Option<(String, usize)> {
        let at = at.checked_next_multiple_of(4)?;
        let from = at.checked_add(4)?;
        let to = from.checked_add(usize::try_from(self.u32(at)?).ok()?)?;
        let text = std::str::from_utf8(self.bytes.get(from..to)?).ok()?;
        self.bytes.get(to)?;
        Some((text.to_owned(), to.checked_add(1)?))
    }

    /// A value with its type before it, and where it ends.
    fn variant(&self, at: usize) -> Option<(Found, usize)> {
        let (kind, at) = self.signature(at)?;
        match kind.as_str() {
            "s" | "o" => self.text(at).map(|(text, end)| (Found::Text(text), end)),
            "g" => self.signature(at).map(|(text, end)| (Found::Text(text), end)),
            "u" => {
                let at = at.checked_next_multiple_of(4)?;
                Some((Found::Number(self.u32(at)?), at.checked_add(4)?))
            }
            _ => None,
        }
    }

    fn signature(&self, at: usize) -> Option<(String, usize)> {
        let from = at.checked_add(1)?;
        let to = from.checked_add(usize::from(*self.bytes.get(at)?))?;
        let text = std::str::from_utf8(self.bytes.get(from..to)?).ok()?;
        self.bytes.get(to)?;
        Some((text.to_owned(), to.checked_add(1)?))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;

    /// As a bus sends it: `dbus-monitor --binary`, put together by hand.
    fn answer(kind: u8, signature: &str, body: &[u8]) -> Vec<u8> {
        let mut fields = vec![REPLY_SERIAL, 1, b'u', 0, 7, 0, 0, 0];
        put_field(&mut fields, ERROR_NAME, b's', "org.example.No");
        pad(&mut fields, 8);
        fields.extend([SIGNATURE, 1, b'g', 0, small(signature.len())]);
        fields.extend(signature.as_bytes());
        fields.push(0);
        let mut out = vec![b'l', kind, 1, 1];
        out.extend(length(body));
        out.extend([9, 0, 0, 0]);
        out.extend(length(&fields));
        out.extend(fields);
        pad(&mut out, 8);
        out.extend(body);
        out
    }

    fn said(kind: u8, signature: &str, body: &[u8]) -> Option<Said> {
        let message = answer(kind, signature, body);
        let head = message.first_chunk().unwrap();
        assert_eq!(whole(head), Some(message.len()));
        let reply = reply(&message)?;
        assert_eq!(reply.serial, 7);
        Some(reply.said)
    }

    #[test]
    fn answers_are_read() {
        let mut text = Vec::new();
        put_text(&mut text, "trusted");
        assert_eq!(said(RETURN, "s", &text), Some(Said::Text("trusted".into())));
        assert_eq!(said(RETURN, "b", &[1, 0, 0, 0]), Some(Said::Truth(true)));
        assert_eq!(said(RETURN, "", &[]), Some(Said::Other));
        let (name, words) = ("org.example.No".to_owned(), "trusted".to_owned());
        assert_eq!(said(ERROR, "s", &text), Some(Said::Error { name, text: words }));
        // A signal is no answer.
        assert_eq!(said(4, "s", &text), None);
    }

    #[test]
    fn a_question_is_as_long_as_it_says() {
        let call = Call {
            serial: 1,
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member: "GetNameOwner",
            words: &["org.fedoraproject.FirewallD1", "x"],
        };
        let bytes = call.bytes();
        assert_eq!(whole(bytes.first_chunk().unwrap()), Some(bytes.len()));
        assert_eq!(reply(&bytes), None);
    }

    #[test]
    fn no_bytes_are_believed() {
        let mut text = Vec::new();
        put_text(&mut text, "trusted");
        let message = answer(RETURN, "s", &text);
        for end in 0..message.len() {
            assert_eq!(reply(message.get(..end).unwrap()), None, "{end}");
        }
        for at in 0..message.len() {
            let mut odd = message.clone();
            *odd.get_mut(at).unwrap() = 0xff;
            let _ = reply(&odd);
            let _ = whole(odd.first_chunk().unwrap());
        }
        assert_eq!(whole(&[b'l'; HEAD]), None);
    }
}
