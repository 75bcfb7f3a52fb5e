//! Faults: the one kind of error that leaves the engine. Front ends only render it.
//!
//!     error: attach netns:red to web: address 10.0.0.5 is taken
//!     kernel: EEXIST: File exists
//!     cause:  netns:blue/eth0 holds it
//!     try:    ropewalk attach netns:red web                                  [addr-taken]

use std::fmt;

use serde::Serialize;

use crate::code::Code;

/// What went wrong, on which object, in the kernel's own words, and what to do. It reads like the
/// [`Words`] that it holds; a pointer, so that what goes well does not pay for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Fault(Box<Words>);

/// The parts of a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// The stable name of this kind of fault.
    pub code: Code,
    /// What ropewalk was about to do: `attach netns:red to web`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doing: String,
    /// What is wrong, with the object: `address 10.0.0.5 is taken`.
    pub what: String,
    /// The line of a file that it is about, with a mark under the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// The kernel's (or the engine's, or the parser's) own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Why it is so, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "try")]
    pub tries: Vec<String>,
}

impl Fault {
    /// A fault of kind `code`: `what` names the object.
    #[must_use]
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self(Box::new(Words {
            code,
            doing: String::new(),
            what: what.into(),
            excerpt: None,
            kernel: None,
            cause: None,
            tries: Vec::new(),
        }))
    }

    /// With what ropewalk was about to do, unless that is known already.
    #[must_use]
    pub fn doing(mut self, doing: impl Into<String>) -> Self {
        if self.doing.is_empty() {
            self.0.doing = doing.into();
        }
        self
    }

    /// With the line of a file that it is about.
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.0.excerpt = Some(excerpt.into());
        self
    }

    /// With the words of whoever refused.
    #[must_use]
    pub fn kernel(mut self, words: impl Into<String>) -> Self {
        self.0.kernel = Some(words.into());
        self
    }

    /// With why it is so.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// With one more thing to do.
    #[must_use]
    pub fn or_try(mut self, line: impl Into<String>) -> Self {
        self.0.tries.push(line.into());
        self
    }
}

impl std::ops::Deref for Fault {
    type Target = Words;
    fn deref(&self) -> &Words {
        &self.0
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        if !self.doing.is_empty() {
            write!(f, "{}: ", self.doing)?;
        }
        f.write_str(&self.what)?;
        for line in self.excerpt.iter().flat_map(|text| text.lines()) {
            write!(f, "\n  {line}")?;
        }
        for (label, text) in [("kernel:", &self.kernel), ("cause: ", &self.cause)] {
            if let Some(text) = text {
                write!(f, "\n{label} {}", indent(text))?;
            }
        }
        for (n, line) in self.tries.iter().enumerate() {
            write!(f, "\n{} {line}", if n == 0 { "try:   " } else { "   or: " })?;
        }
        write!(f, "\n        [{}]", self.code)
    }
}

impl std::error::Error for Fault {}

/// Lines after the first stand under the first.
fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n        ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_on_which_object_the_kernels_words_and_what_to_do() {
        let fault = Fault::new(Code::AddrTaken, "address 10.0.0.5 is taken")
            .doing("attach netns:red to web")
            .kernel("EEXIST: File exists")
            .cause("netns:blue/eth0 holds it")
            .or_try("ropewalk attach netns:red web")
            .or_try("ropewalk detach netns:blue web");
        let text = "error: attach netns:red to web: address 10.0.0.5 is taken\n\
                    kernel: EEXIST: File exists\n\
                    cause:  netns:blue/eth0 holds it\n\
                    try:    ropewalk attach netns:red web\n   or:  ropewalk detach netns:blue web\n\
                    \x20       [addr-taken]";
        assert_eq!(fault.to_string(), text);
    }

    #[test]
    fn the_first_word_on_what_was_being_done_stays() {
        let fault = Fault::new(Code::Kernel, "x").doing("inner").doing("outer");
        assert_eq!(fault.doing, "inner");
    }
}
