//! Options of DHCP (RFC 2132) as the configuration names them.
//!
//!     "provide": [{"option": "host-name", "fromArg": "K8S_POD_NAME"}, {"option": "60", "value": "a-class"}]
//!     "request": [{"option": "121"}, {"option": "routers", "skipDefault": true}]

use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::fault::{Code, Fault};
use crate::json::Object;

/// Those that have names.
const NAMES: [(&str, u8); 6] = [
    ("subnet-mask", 1),
    ("routers", 3),
    ("host-name", 12),
    ("vendor-class-identifier", 60),
    ("dhcp-client-identifier", IDENTITY),
    ("user-class", 77),
];
/// What is asked for anyway.
const USUAL: [u8; 2] = [1, 3];
const IDENTITY: u8 = 61;
/// The longest identity, and the longest option, in bytes.
const LONGEST: usize = 254;

/// What a client sends and asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) identity: Vec<u8>,
    pub(super) provide: Vec<(u8, Vec<u8>)>,
    pub(super) ask: Vec<u8>,
}

/// Reads `provide` and `request`; the `identity` is as given unless it is provided.
pub(super) fn read(ipam: &Object, args: &Args, identity: Vec<u8>) -> Result<Asked, Fault> {
    let mut provide = Vec::new();
    let mut identity = cut(identity);
    for one in ipam.objects("provide")? {
        let (kind, value) = (number(&one)?, one.text("value")?);
        let from = one.text("fromArg")?;
        if !value.is_empty() && !from.is_empty() {
            let what = format!("provide: option {kind} has both a value and fromArg");
            return Err(Fault::new(Code::Config, format!("dhcp: {what}")));
        }
        let arg = args.value(&from).unwrap_or_default();
        let value = if value.is_empty() { arg } else { value.as_str() };
        match kind {
            _ if value.is_empty() => {}
            IDENTITY => identity = cut(value.as_bytes().to_vec()),
            _ => provide.push((kind, cut(value.as_bytes().to_vec()))),
        }
    }
    let request = ipam.objects("request")?;
    let mut skip = false;
    let mut ask = Vec::new();
    for one in &request {
        skip |= one.truth("skipDefault")? == Some(true);
        ask.extend(Some(number(one)?).filter(|kind| !ask.contains(kind)));
    }
    if !skip {
        ask.extend(USUAL.into_iter().filter(|kind| !ask.contains(kind)).collect::<Vec<u8>>());
    }
    // Routes before the router, whose place they take (RFC 3442).
    ask.sort_by_key(|kind| (*kind != 121, *kind));
    Ok(Asked { identity, provide, ask })
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(LONGEST);
    bytes
}

/// The number of the option that is named, or numbered.
fn number(object: &Object) -> Result<u8, Fault> {
    let text = object.text("option")?;
    let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    let number = named.or_else(|| text.parse().ok()).filter(|number| (1..255).contains(number));
    number.ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        Fault::new(Code::Config, format!("dhcp: there is no option {text:?}"))
            .details(format!("1 to 254, {}", names.join(", ")))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;
    use crate::json::Json;

    fn asked(text: &str, args: &str) -> Result<Asked, Fault> {
        let Json::Object(ipam) = Json::read(text.as_bytes()).unwrap() else { unreachable!() };
        read(&ipam, &Args::read(args).unwrap(), b"\0c/n/eth0".to_vec())
    }

    #[test]
    fn options_have_names_and_numbers() {
        let usual = asked("{}", "").unwrap();
        assert_eq!((usual.ask, usual.identity), (vec![1, 3], b"\0c/n/eth0".to_vec()));
        let more = asked(
            r#"{"request": [{"option": "121"}, {"option": "routers"}],
                "provide": [{"option": "host-name", "fromArg": "K8S_POD_NAME"}, {"option": "60", "value": "x"},
                            {"option": "12", "fromArg": "NOBODY"},
                            {"option": "dhcp-client-identifier", "value": "me"}]}"#,
            "K8S_POD_NAME=web",
        );
        let more = more.unwrap();
        assert_eq!((more.ask, more.identity), (vec![121, 1, 3], b"me".to_vec()));
        assert_eq!(more.provide, [(12, b"web".to_vec()), (60, b"x".to_vec())]);
        let skip = r#"{"request": [{"option": "subnet-mask", "skipDefault": true}]}"#;
        assert_eq!(asked(skip, "").unwrap().ask, [1]);
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for bad in [
            r#"{"request": [{"option": "0"}]}"#,
            r#"{"request": [{"option": "gateway"}]}"#,
            r#"{"provide": [{"option": "255", "value": "x"}]}"#,
            r#"{"provide": [{"option": "12", "value": "x", "fromArg": "Y"}]}"#,
        ] {
            assert_eq!(asked(bad, "").unwrap_err().code, Code::Config, "{bad}");
        }
    }
}
