//! Rates: how fast an interface may receive or send: `BITS[/BURST]`.
//!
//!     10M          ten million bits a second
//!     1.5G/256k    the same word with a burst of 256,000 bytes
//!
//! Bits are those of whole Ethernet frames, k, M and G are thousands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Form, Problem};

/// The slowest rate in bits a second: one full frame takes a second and a half.
const SLOWEST: u64 = 8_000;
/// The fastest one, 1 Tbit/s.
const FASTEST: u64 = 1_000_000_000_000;
/// The largest burst in bytes.
const LARGEST: u64 = 64_000_000;

/// How fast, and how much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// Bits a second.
    bits: u64,
    /// Bytes that may go at once; `None` is as many as suit the rate.
    burst: Option<u32>,
}

impl Rate {
    /// Bytes a second.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.bits / 8
    }

    /// Bytes that may go at once on a link of this MTU: what was asked for, else what goes in 10 ms;
    /// in any case two frames, and a multiple of 1024.
    #[must_use]
    pub fn burst(self, mtu: u32) -> u32 {
        /// What a frame has beside the packet: Ethernet header, two VLAN tags.
        const FRAME: u64 = 22;
        let frames = 2 * (u64::from(mtu) + FRAME);
        let wanted = self.burst.map_or(self.bytes() / 100, u64::from);
        let bytes = wanted.max(frames).min(LARGEST).next_multiple_of(1024);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Bytes that may wait at most on such a link: the burst and what goes in 50 ms, at least 32 KiB.
    #[must_use]
    pub fn limit(self, mtu: u32) -> u32 {
        let waiting = (self.bytes() / 20).clamp(32 << 10, 512 << 20);
        u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(self.burst(mtu))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Scaled(self.bits))?;
        self.burst.map_or(Ok(()), |burst| write!(f, "/{}", Scaled(burst.into())))
    }
}

impl FromStr for Rate {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let refuse = || Problem::unreadable(text, Form::Rate);
        let (rate, burst) = match text.split_once('/') {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let bits = scaled(rate).filter(|bits| (SLOWEST..=FASTEST).contains(bits));
        let burst = burst.map(|text| scaled(text).filter(|bytes| (1..=LARGEST).contains(bytes)));
        let burst = match burst {
            Some(bytes) => Some(bytes.and_then(|n| u32::try_from(n).ok()).ok_or_else(refuse)?),
            None => None,
        };
        Ok(Self { bits: bits.ok_or_else(refuse)?, burst })
    }
}

impl TryFrom<String> for Rate {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}
impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

const UNITS: [(char, u64); 3] = [('G', 1_000_000_000), ('M', 1_000_000), ('k', 1_000)];

/// A number in its largest unit that needs no more than three places behind the point.
struct Scaled(u64);

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &u64| self.0 >= *unit && self.0.is_multiple_of(*unit / 1000);
        let Some((letter, unit)) = UNITS.into_iter().find(|(_, unit)| fits(unit)) else {
            return write!(f, "{}", self.0);
        };
        let places = format!("{:03}", self.0 % unit / (unit / 1000));
        let places = places.trim_end_matches('0');
        let point = if places.is_empty() { "" } else { "." };
        write!(f, "{}{point}{places}{letter}", self.0 / unit)
    }
}

/// Reads digits, perhaps a point and up to three more, and a unit.
fn scaled(text: &str) -> Option<u64> {
    let unit = |(letter, unit)| text.strip_suffix(letter).map(|digits| (digits, unit));
    let (digits, unit) = UNITS.into_iter().find_map(unit).unwrap_or((text, 1));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain { text.parse::<u64>().ok() } else { None }
    };
    let whole = number(whole)?.checked_mul(unit)?;
    if !digits.contains('.') {
        return Some(whole);
    }
    if part.len() > 3 || unit == 1 {
        return None;
    }
    whole.checked_add(number(&format!("{part:0<3}")).filter(|_| !part.is_empty())? * (unit / 1000))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn rates_are_shown_as_they_are_written() {
        for text in ["8k", "10M", "1.5G", "2.25M", "10M/64k", "1G/1.5M", "8001", "10M/1500"] {
            let shown = text.parse::<Rate>().unwrap().to_string();
            assert_eq!(shown.replace("8.001k", "8001").replace("1.5k", "1500"), text);
        }
        assert_eq!("1000k".parse::<Rate>().unwrap().to_string(), "1M");
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        let odd =
            ["", "M", "10", "7999", "2000G", "-1M", "1.M", "1.2345M", "8001.5", "+8k", "10 M"];
        let bursts = ["10M/", "10M/0", "10M/1G", "10M/x", "10m", "10M/1k/1k", "99999999999999G"];
        for text in odd.into_iter().chain(bursts) {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_burst_suits_the_rate_and_the_link() {
        let burst = |text: &str| text.parse::<Rate>().unwrap().burst(1500);
        assert_eq!(burst("8k"), 3 << 10);
        assert_eq!(burst("100M"), 123 << 10);
        assert_eq!(burst("100M/64k"), 63 << 10);
        assert_eq!(burst("100M/1"), 3 << 10);
        assert_eq!("8k".parse::<Rate>().unwrap().burst(9000), 18 << 10);
        assert_eq!("100M".parse::<Rate>().unwrap().limit(1500), (123 << 10) + 625_000);
    }
}
