//! What a plugin answers when it cannot: `{"code": 7, "msg": "...", "details": "..."}`.

use std::fmt;

/// A refusal as the specification words it ("Error").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub code: Code,
    /// One sentence: what, and on which object.
    pub msg: String,
    /// The cause and the remedy; may be empty.
    pub details: String,
}

/// The kinds of refusal (specification, "Well-known Error Codes"; 8 and 999 are those of its Go
/// library).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The version of the configuration is not spoken.
    Version,
    /// A field asks for what there is not.
    Unsupported,
    /// There is no such container.
    UnknownContainer,
    /// A variable of the environment is missing or nonsense.
    Environment,
    /// Standard input cannot be read.
    Io,
    /// Standard input is no JSON, or of another shape.
    Decode,
    /// The configuration contradicts itself.
    Config,
    /// The network namespace cannot be used.
    Namespace,
    /// Not now: the caller is to try later.
    TryLater,
    /// STATUS: the plugin cannot serve ADD now.
    NotAvailable,
    /// STATUS: the plugin cannot serve ADD now, and containers on it may have limited reach.
    LimitedConnectivity,
    /// Anything else that went wrong.
    Internal,
    /// What another plugin refused with, where it is none of these.
    Other(u16),
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Version => 1,
            Self::Unsupported => 2,
            Self::UnknownContainer => 3,
            Self::Environment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::Config => 7,
            Self::Namespace => 8,
            Self::TryLater => 11,
            Self::NotAvailable => 50,
            Self::LimitedConnectivity => 51,
            Self::Internal => 999,
            Self::Other(number) => number,
        }
    }
}

impl Code {
    /// The kind of this number.
    #[must_use]
    pub fn of(number: u16) -> Self {
        const ALL: [Code; 12] = [
            Code::Version,
            Code::Unsupported,
            Code::UnknownContainer,
            Code::Environment,
            Code::Io,
            Code::Decode,
            Code::Config,
            Code::Namespace,
            Code::TryLater,
            Code::NotAvailable,
            Code::LimitedConnectivity,
            Code::Internal,
        ];
        ALL.into_iter().find(|code| code.number() == number).unwrap_or(Self::Other(number))
    }
}

impl Fault {
    /// A fault without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// The same with its cause.
    #[must_use]
    pub fn details(self, details: impl Into<String>) -> Self {
        Self { details: details.into(), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.msg)?;
        if self.details.is_empty() { Ok(()) } else { write!(f, "; {}", self.details) }
    }
}
