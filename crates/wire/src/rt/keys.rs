//! Filters of tc that are no programs, read as programs: `u32`, `matchall`.
//!
//!     tc filter add … u32 match ip dst 198.51.100.0/24 action mirred egress redirect dev X
//!         ──▶ A = word at 16; A &= 0xffffff00; A == 0xc6336400 ? stolen : next        and X
//!
//! Kernel: net/sched/cls_u32.c, act_mirred.c, act_gact.c.  What else they can ask for or do is left out.

use ropewalk_facts::seen::Classic;

use super::consts::*;
use crate::nl::{Attr, Attrs, u32_at};

/// The table of keys that every filter of u32 is in, unless it is led to another.
const ROOT: u32 = 0x800;
/// Keys that a jump can pass over, which has a byte.
const MOST: usize = 60;
/// Where offsets begin (`SKF_NET_OFF`, `SKF_LL_OFF`), and the length of what precedes the network's.
const NETWORK: u32 = 0xfff0_0000;
const LINK: u32 = 0xffe0_0000;
const ETHERNET: i32 = 14;
/// What a filter returns that has nothing to say (`TC_ACT_UNSPEC`), or lets it pass (`TC_ACT_OK`).
const NEXT: u32 = u32::MAX;
const PASS: u32 = 0;

/// A table of keys, which is told among the filters (`TC_U32_KEY`).
pub(super) fn is_table(handle: u32) -> bool {
    handle & 0xfff == 0
}

/// What it compares, as a program that returns what is done, and the link that it is sent out of.
pub(super) fn read(
    kind: &str,
    handle: u32,
    options: Attrs<'_>,
) -> Option<(Vec<Classic>, Option<u32>)> {
    let attr = |kind| options.clone().first(kind);
    match kind {
        "matchall" => {
            let (returns, to) = action(attr(TCA_MATCHALL_ACT))?;
            Some((vec![ret(returns)], to))
        }
        "u32" => {
            let others = [TCA_U32_LINK, TCA_U32_POLICE, TCA_U32_INDEV, TCA_U32_MARK];
            if handle >> 20 != ROOT || others.into_iter().any(|kind| attr(kind).is_some()) {
                return None;
            }
            let (returns, to) = action(attr(TCA_U32_ACT))?;
            Some((compare(attr(TCA_U32_SEL)?.data, returns)?, to))
        }
        _ => None,
    }
}

/// `struct tc_u32_sel`, 16 bytes, and its keys: mask, value, offset, offset of the next header.
fn compare(select: &[u8], returns: u32) -> Option<Vec<Classic>> {
    let (head, keys) = select.split_at_checked(16)?;
    let (keys, _) = keys.as_chunks::<16>();
    let count = usize::from(*head.get(2)?);
    // Other flags let offsets hang on the packet.
    if *head.first()? & !TC_U32_TERMINAL != 0 || keys.len() < count || count > MOST {
        return None;
    }
    let mut code = Vec::new();
    for (nth, key) in keys.iter().take(count).enumerate() {
        let word = |at: usize| u32_at(key, at);
        let offset = word(8)?.cast_signed();
        let from = match u32::try_from(offset) {
            Ok(offset) => NETWORK.checked_add(offset)?,
            Err(_) => LINK.checked_add(u32::try_from(offset.checked_add(ETHERNET)?).ok()?)?,
        };
        let rest = u8::try_from(3 * (count - nth - 1) + 1).ok()?;
        code.push(Classic(0x20, 0, 0, from));
        code.push(Classic(0x54, 0, 0, u32::from_be(word(0)?)));
        code.push(Classic(0x15, 0, rest, u32::from_be(word(4)?)));
    }
    code.extend([ret(returns), ret(NEXT)]);
    Some(code)
}

fn ret(value: u32) -> Classic {
    Classic(0x06, 0, 0, value)
}

/// What the one action of a filter returns, and where it sends what it takes; without one it passes.
fn action(list: Option<Attr<'_>>) -> Option<(u32, Option<u32>)> {
    let Some(list) = list else { return Some((PASS, None)) };
    let mut all = list.attrs();
    let (one, more) = (all.next()?, all.next());
    if more.is_some() {
        return None;
    }
    let parms = |kind| one.attrs().first(TCA_ACT_OPTIONS)?.attrs().first(kind).map(|a| a.data);
    match one.attrs().first(TCA_ACT_KIND)?.text()? {
        "gact" => Some((u32_at(parms(TCA_GACT_PARMS)?, 8)?, None)),
        "mirred" => {
            let data = parms(TCA_MIRRED_PARMS)?;
            let (how, link) = (u32_at(data, 20)?.cast_signed(), u32_at(data, 24)?);
            match how {
                TCA_EGRESS_REDIR => Some((TC_ACT_STOLEN.cast_unsigned(), Some(link))),
                // A copy goes elsewhere.
                TCA_EGRESS_MIRROR | TCA_INGRESS_MIRROR => Some((PASS, None)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::nl::Writer;

    #[test]
    fn what_u32_compares_is_a_program() {
        let mut select = vec![TC_U32_TERMINAL, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // Its destination is in 198.51.100.0/24; the frame was sent to 02:00:….
        for (mask, value, offset) in
            [([255, 255, 255, 0], [198, 51, 100, 0], 16_i32), ([255, 255, 0, 0], [2, 0, 0, 0], -14)]
        {
            select.extend([mask, value, offset.to_ne_bytes(), [0; 4]].concat());
        }
        let code = compare(&select, 4).unwrap();
        assert_eq!(
            code,
            [
                Classic(0x20, 0, 0, 0xfff0_0010),
                Classic(0x54, 0, 0, 0xffff_ff00),
                Classic(0x15, 0, 4, 0xc633_6400),
                Classic(0x20, 0, 0, 0xffe0_0000),
                Classic(0x54, 0, 0, 0xffff_0000),
                Classic(0x15, 0, 1, 0x0200_0000),
                ret(4),
                ret(NEXT),
            ]
        );
        for end in 0..select.len() {
            assert_eq!(compare(select.get(..end).unwrap(), 4), None, "{end}");
        }
    }

    #[test]
    fn a_copy_passes_and_what_is_sent_elsewhere_does_not() {
        let said = |how: i32| {
            let mut w = Writer::with(&[]);
            w.nest(TCA_MATCHALL_ACT, |w| {
                w.nest(1, |w| {
                    w.text(TCA_ACT_KIND, "mirred");
                    w.nest(TCA_ACT_OPTIONS, |w| {
                        let parms = [[0; 4], [0; 4], [4, 0, 0, 0], [0; 4], [0; 4]].concat();
                        let rest = [how.to_ne_bytes(), 7_u32.to_ne_bytes()].concat();
                        w.bytes(TCA_MIRRED_PARMS, &[parms, rest].concat());
                    });
                });
            });
            read("matchall", 1, crate::nl::attrs(&w.finish().unwrap()))
        };
        assert_eq!(said(TCA_EGRESS_REDIR), Some((vec![ret(4)], Some(7))));
        assert_eq!(said(TCA_EGRESS_MIRROR), Some((vec![ret(PASS)], None)));
        assert_eq!(said(3), None, "in at another link");
    }
}
