//! Until when a certificate holds: the second time in its validity (RFC 5280 §4.1).
//!
//!     SEQUENCE { SEQUENCE { [0] version, serial, algorithm, issuer, SEQUENCE { from, until }, …
//!
//! Looked at once a member has hung up: whether that is the reason.  Never here: signatures, other fields.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// A day in seconds.
const DAY: u64 = 86_400;

/// When the first certificate of a PEM expired; none while it holds, or cannot be read.
pub(super) fn expired(pem: &[u8], now: SystemTime) -> Option<String> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let [year, month, day, hour, minute, second] = until(&der)?;
    let seconds = days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second;
    let past = UNIX_EPOCH + Duration::from_secs(seconds) <= now;
    past.then(|| format!("on {year}-{month:02}-{day:02} at {hour:02}:{minute:02}:{second:02} UTC"))
}

/// Year, month, day, hour, minute and second in the certificate.
fn until(der: &[u8]) -> Option<[u64; 6]> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    // Without a version it is the first.
    if element(rest)?.0 == 0xa0 {
        rest = element(rest)?.2;
    }
    for _serial_algorithm_issuer in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (tag, time, _) = element(element(validity)?.2)?;
    let time = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let full = match tag {
        // UTCTime has two digits of the year.
        0x17 if time.get(..2)?.parse::<u64>().ok()? < 50 => format!("20{time}"),
        0x17 => format!("19{time}"),
        _ => time.to_owned(),
    };
    let number = |from: usize, to: usize| full.get(from..to)?.parse().ok();
    let two = |from: usize| number(from, from + 2);
    Some([number(0, 4)?, two(4)?, two(6)?, two(8)?, two(10)?, two(12)?])
}

/// Tag and contents of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |all, byte| (all << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((*tag, body, rest))
}

/// How many days there are from 1970 to a day of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // A year that begins in March ends with its odd day.
    let year = if month < 3 { year.checked_sub(1)? } else { year };
    let month = if month < 3 { month + 9 } else { month - 3 };
    let all = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    all.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(2026, 11, 22), Some(20_779));
        assert_eq!(days(1969, 12, 31), None);
    }

    /// One with these times and nothing else.
    fn certificate(tag: u8, until: &str) -> Vec<u8> {
        let of = |tag: u8, parts: &[&[u8]]| {
            let body = parts.concat();
            [&[tag, 0x81, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
        };
        let times = [of(0x17, &[b"260101000000Z"]), of(tag, &[until.as_bytes()])].concat();
        let any = [of(0xa0, &[&[2, 1, 2]]), of(2, &[&[9]]), of(0x30, &[]), of(0x30, &[])].concat();
        of(0x30, &[&of(0x30, &[&any, &of(0x30, &[&times])])])
    }

    #[test]
    fn both_kinds_of_times_are_read_and_what_is_no_certificate_is_not() {
        assert_eq!(until(&certificate(0x17, "261122083000Z")), Some([2026, 11, 22, 8, 30, 0]));
        assert_eq!(until(&certificate(0x18, "20521231235959Z")), Some([2052, 12, 31, 23, 59, 59]));
        let whole = certificate(0x17, "261122083000Z");
        for end in 0..whole.len() {
            assert_eq!(until(whole.get(..end).unwrap()), None);
        }
        assert_eq!(until(&certificate(0x17, "a day")), None);
        assert_eq!(expired(b"x", SystemTime::now()), None);
    }
}
