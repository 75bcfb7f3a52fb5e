//! `CNI_ARGS`: what a runtime says beside the configuration.
//!
//!     IgnoreUnknown=1;K8S_POD_NAME=web;IP=10.0.0.5

use std::collections::BTreeMap;

use crate::fault::{Code, Fault};

/// The pairs of `CNI_ARGS`. Keys are case-sensitive; of two equal ones the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args(BTreeMap<String, String>);

/// The pair that allows others which nobody knows.
const IGNORE_UNKNOWN: &str = "IgnoreUnknown";

impl Args {
    /// Reads `K=V;K2=V2`.
    ///
    /// # Errors
    /// [`Code::Environment`] when a pair has not exactly one `=`.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let mut pairs = BTreeMap::new();
        for pair in text.split(';').filter(|_| !text.is_empty()) {
            match pair.split_once('=').filter(|(_, value)| !value.contains('=')) {
                Some((key, value)) => pairs.insert(key.to_owned(), value.to_owned()),
                None => {
                    let what = format!("CNI_ARGS: {pair:?} is no pair KEY=VALUE");
                    return Err(Fault::new(Code::Environment, what));
                }
            };
        }
        Ok(Self(pairs))
    }

    /// The value of `key`, if it says something.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Refuses keys other than `known`, unless the caller said to ignore them.
    ///
    /// # Errors
    /// [`Code::Environment`] names the keys; also for an `IgnoreUnknown` that is no truth value.
    pub fn only(&self, known: &[&str]) -> Result<(), Fault> {
        if self.ignores_unknown()? {
            return Ok(());
        }
        let all = self.0.keys().map(String::as_str);
        let odd: Vec<&str> =
            all.filter(|key| *key != IGNORE_UNKNOWN && !known.contains(key)).collect();
        if odd.is_empty() {
            return Ok(());
        }
        let what = format!("CNI_ARGS: unknown keys {odd:?}");
        Err(Fault::new(Code::Environment, what).details("IgnoreUnknown=1 would let them be"))
    }

    fn ignores_unknown(&self) -> Result<bool, Fault> {
        match self.0.get(IGNORE_UNKNOWN).map(|value| value.to_ascii_lowercase()).as_deref() {
            Some("1" | "true") => Ok(true),
            None | Some("0" | "false") => Ok(false),
            Some(text) => {
                let what = format!("CNI_ARGS: IgnoreUnknown={text} is neither true nor false");
                Err(Fault::new(Code::Environment, what))
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;

    #[test]
    fn pairs_have_one_sign_each() {
        let args = Args::read("IgnoreUnknown=1;K8S_POD_NAME=web;IP=").unwrap();
        assert_eq!(args.value("K8S_POD_NAME"), Some("web"));
        assert_eq!((args.value("IP"), args.value("ip")), (None, None));
        assert_eq!(Args::read("").unwrap(), Args::default());
        for bad in ["A", "A=1;", "A=1=2", ";"] {
            assert_eq!(Args::read(bad).unwrap_err().code, Code::Environment, "{bad}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_unless_told_to_ignore_it() {
        let only = |text: &str| Args::read(text).unwrap().only(&["IP"]);
        assert_eq!(only("IP=10.0.0.5"), Ok(()));
        assert_eq!(only("IP=10.0.0.5;MAC=x;IgnoreUnknown=TRUE"), Ok(()));
        let fault = only("IP=10.0.0.5;MAC=x").unwrap_err();
        assert_eq!(fault.msg, r#"CNI_ARGS: unknown keys ["MAC"]"#);
        assert!(only("IgnoreUnknown=maybe").is_err());
    }
}
