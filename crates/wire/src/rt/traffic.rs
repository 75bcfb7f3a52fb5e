//! Queueing disciplines and filters.
//!
//!     tc qdisc add dev NAME root tbf rate R burst B limit L     tc qdisc add dev NAME ingress
//!     tc filter add dev NAME ingress pref P protocol all u32 match u32 0 0
//!         action mirred egress redirect dev OTHER
//!     struct tcmsg { family u8, pad u8+u16, ifindex i32, handle u32, parent u32, info u32 }
//!
//! u32 with a key that asks for nothing is what every kernel has that has filters; `matchall` came
//! later and may be left out.

use ropewalk_facts::{
    Filter, FilterKey, FilterKind, IfName, Qdisc, QdiscKey, QdiscKind, Side, Tbf,
};

use super::consts::*;
use super::{Links, Make};
use crate::Error;
use crate::nl::{Attr, Message, Request, Writer, attrs, flag, u32_at};

/// Length of `struct tcmsg`.
const HEADER: usize = 20;
/// The ingress qdisc, which its filters may call their parent (`TC_H_MAJ(TC_H_INGRESS)`).
const INGRESS_HANDLE: u32 = 0xffff_0000;
/// What tc(8) calls the same (`TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`).
const INGRESS_CLASS: u32 = 0xffff_fff2;
/// The first place among the keys of a u32 filter. Said, so that a second is refused.
const FIRST: u32 = 0x800;
/// Nanoseconds of a tick, in which the kernel tells times (`PSCHED_SHIFT`).
const TICK: u128 = 64;
/// What bursts are a multiple of.
const GRAIN: u128 = 1024;

fn header(index: u32, handle: u32, parent: u32, info: u32) -> Writer {
    let mut bytes = [0; HEADER];
    let values = [index, handle, parent, info];
    for (place, value) in bytes.chunks_exact_mut(4).skip(1).zip(values) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    Writer::with(&bytes)
}

fn parent(side: Side) -> u32 {
    match side {
        Side::Root => TC_H_ROOT,
        Side::Ingress => TC_H_INGRESS,
    }
}

pub(super) fn create_qdisc(x: &Qdisc, make: Make, links: &Links) -> Result<Vec<Request>, Error> {
    let handle = if x.key.side == Side::Ingress { INGRESS_HANDLE } else { 0 };
    let mut w = header(links.need(&x.key.dev)?, handle, parent(x.key.side), 0);
    match &x.kind {
        QdiscKind::Tbf(spec) => {
            w.text(TCA_KIND, "tbf");
            w.nest(TCA_OPTIONS, |w| tbf(w, spec));
        }
        QdiscKind::Ingress => w.text(TCA_KIND, "ingress"),
        QdiscKind::Other(_) => return Err(Error::Fixed),
    }
    Ok(vec![Request { kind: RTM_NEWQDISC, flags: make.flags(), body: w.finish()? }])
}

/// `struct tc_tbf_qopt { rate, peakrate: tc_ratespec[12], limit, buffer, mtu: u32 }`, where
/// `struct tc_ratespec { cell_log u8, linklayer u8, overhead u16, align i16, mpu u16, rate u32 }`.
fn tbf(w: &mut Writer, spec: &Tbf) {
    let rate = u32::try_from(spec.rate).unwrap_or(u32::MAX);
    let mut parms = vec![0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0];
    parms.extend(rate.to_ne_bytes());
    parms.extend([0; 12]);
    parms.extend(spec.limit.to_ne_bytes());
    parms.extend([0; 8]);
    w.bytes(TCA_TBF_PARMS, &parms);
    w.u32(TCA_TBF_BURST, spec.burst);
    if rate == u32::MAX {
        w.u64(TCA_TBF_RATE64, spec.rate);
    }
}

pub(super) fn delete_qdisc(key: &QdiscKey, links: &Links) -> Result<Vec<Request>, Error> {
    let body = header(links.need(&key.dev)?, 0, parent(key.side), 0).finish()?;
    Ok(vec![Request { kind: RTM_DELQDISC, flags: 0, body }])
}

/// About one that it chose itself the kernel says nothing, unless it is to acknowledge. From 6.8 on
/// it says nothing of others either when nobody listens, unless there is to be an echo
/// (`qdisc_notify`, net/sched/sch_api.c).
pub(super) fn read_qdisc(key: &QdiscKey, links: &Links) -> Result<Request, Error> {
    let body = header(links.need(&key.dev)?, 0, parent(key.side), 0).finish()?;
    Ok(Request { kind: RTM_GETQDISC, flags: flag::ACK | flag::ECHO, body })
}

pub(super) fn dump_qdiscs() -> Request {
    Request { kind: RTM_GETQDISC, flags: flag::DUMP, body: vec![0; HEADER] }
}

fn info(key: &FilterKey) -> u32 {
    u32::from(key.pref) << 16 | u32::from(ETH_P_ALL.to_be())
}

pub(super) fn create_filter(x: &Filter, links: &Links) -> Result<Vec<Request>, Error> {
    let FilterKind::Redirect(Some(to)) = &x.kind else { return Err(Error::Fixed) };
    let to = links.need(to)?;
    let mut w = header(links.need(&x.key.dev)?, FIRST, INGRESS_HANDLE, info(&x.key));
    w.text(TCA_KIND, "u32");
    w.nest(TCA_OPTIONS, |w| {
        // struct tc_u32_sel of 16 bytes, then one struct tc_u32_key of 16.
        let mut select = [0; 32];
        let [flags, _, keys, ..] = &mut select;
        (*flags, *keys) = (TC_U32_TERMINAL, 1);
        w.bytes(TCA_U32_SEL, &select);
        w.nest(TCA_U32_ACT, |w| w.nest(1, |w| mirred(w, to)));
    });
    let flags = flag::CREATE | flag::EXCL;
    Ok(vec![Request { kind: RTM_NEWTFILTER, flags, body: w.finish()? }])
}

/// `struct tc_mirred { index, capab: u32, action, refcnt, bindcnt, eaction: i32, ifindex: u32 }`
fn mirred(w: &mut Writer, to: u32) {
    w.text(TCA_ACT_KIND, "mirred");
    w.nest(TCA_ACT_OPTIONS, |w| {
        let mut parms = vec![0; 8];
        parms.extend(TC_ACT_STOLEN.to_ne_bytes());
        parms.extend([0; 8]);
        parms.extend(TCA_EGRESS_REDIR.to_ne_bytes());
        parms.extend(to.to_ne_bytes());
        w.bytes(TCA_MIRRED_PARMS, &parms);
    });
}

/// What is to be changed is taken away first.
pub(super) fn change_filter(
    old: &Filter,
    new: &Filter,
    links: &Links,
) -> Result<Vec<Request>, Error> {
    let mut all = delete_filter(&old.key, links)?;
    all.extend(create_filter(new, links)?);
    Ok(all)
}

pub(super) fn delete_filter(key: &FilterKey, links: &Links) -> Result<Vec<Request>, Error> {
    let body = header(links.need(&key.dev)?, 0, INGRESS_HANDLE, info(key)).finish()?;
    Ok(vec![Request { kind: RTM_DELTFILTER, flags: 0, body }])
}

/// All filters for what comes in at a link: one by itself can be asked for only by its handle.
pub(super) fn read_filters(index: u32) -> Result<Request, Error> {
    let body = header(index, 0, INGRESS_HANDLE, 0).finish()?;
    Ok(Request { kind: RTM_GETTFILTER, flags: flag::DUMP, body })
}

/// The link that the qdisc of a message is at, where that is the side where filters are read.
pub(super) fn ingress_of(message: &Message<'_>) -> Option<u32> {
    let at_ingress = u32_at(message.body, 12)? == TC_H_INGRESS;
    (message.kind == RTM_NEWQDISC && at_ingress).then(|| u32_at(message.body, 4)).flatten()
}

/// A message taken apart.
struct Read<'a> {
    dev: IfName,
    handle: u32,
    parent: u32,
    info: u32,
    kind: &'a str,
    options: Option<Attr<'a>>,
    chain: u32,
}

fn read<'a>(kind: u16, body: &'a [u8], links: &Links) -> Result<Option<Read<'a>>, Error> {
    let number = |at| u32_at(body, at).ok_or(Error::Malformed { kind });
    let Some(dev) = links.dev(number(4)?)? else { return Ok(None) };
    let list = attrs(body.get(HEADER..).unwrap_or_default());
    let attr = |kind| list.clone().first(kind);
    Ok(Some(Read {
        dev,
        handle: number(8)?,
        parent: number(12)?,
        info: number(16)?,
        kind: attr(TCA_KIND).and_then(|a| a.text()).unwrap_or_default(),
        options: attr(TCA_OPTIONS),
        chain: attr(TCA_CHAIN).and_then(|a| a.u32()).unwrap_or(0),
    }))
}

/// The qdisc of a message; none for one that the kernel chose, and for one within another.
pub(super) fn qdisc(body: &[u8], links: &Links) -> Result<Option<Qdisc>, Error> {
    let Some(read) = read(RTM_NEWQDISC, body, links)? else { return Ok(None) };
    let side = match read.parent {
        TC_H_ROOT => Side::Root,
        TC_H_INGRESS => Side::Ingress,
        _ => return Ok(None),
    };
    if read.handle == 0 {
        return Ok(None);
    }
    let kind = match read.kind {
        "ingress" => QdiscKind::Ingress,
        "tbf" => read.options.and_then(tbf_spec).map_or_else(other("tbf"), QdiscKind::Tbf),
        kind => QdiscKind::Other(kind.to_owned()),
    };
    Ok(Some(Qdisc::new(read.dev, side, kind)))
}

fn other(kind: &str) -> impl FnOnce() -> QdiscKind {
    let kind = kind.to_owned();
    move || QdiscKind::Other(kind)
}

fn tbf_spec(options: Attr<'_>) -> Option<Tbf> {
    let parms = options.attrs().first(TCA_TBF_PARMS)?.data;
    let large = options.attrs().first(TCA_TBF_RATE64).and_then(|a| a.u64());
    let rate = large.map_or_else(|| u32_at(parms, 8).map(u64::from), Some)?;
    let burst = burst(rate, u32_at(parms, 28)?)?;
    Some(Tbf { rate, burst, limit: u32_at(parms, 24)? })
}

/// The bytes that pass in a time, of which the fraction of a tick was cut off: the multiple of
/// 1024 that may have been meant, where there is one.
fn burst(rate: u64, ticks: u32) -> Option<u32> {
    let bytes = |ticks: u128| ticks.saturating_mul(TICK * u128::from(rate)) / 1_000_000_000;
    let (least, most) = (bytes(ticks.into()), bytes(u128::from(ticks) + 2));
    let meant = (least / GRAIN + 1) * GRAIN;
    let exact = if least.is_multiple_of(GRAIN) { least } else { meant };
    u32::try_from(if exact <= most { exact } else { least }).ok()
}

/// The filter of a message; none for what the kernel tells of a filter beside what it does.
pub(super) fn filter(body: &[u8], links: &Links) -> Result<Option<Filter>, Error> {
    let Some(read) = read(RTM_NEWTFILTER, body, links)? else { return Ok(None) };
    let Some(options) = read.options else { return Ok(None) };
    let table = read.kind == "u32" && read.handle & 0xfff == 0;
    let comes_in = matches!(read.parent, INGRESS_HANDLE | INGRESS_CLASS);
    if table || !comes_in || read.chain != 0 {
        return Ok(None);
    }
    let Ok(pref) = u16::try_from(read.info >> 16) else { return Ok(None) };
    let key = FilterKey { dev: read.dev, pref };
    let all = read.info & 0xffff == u32::from(ETH_P_ALL.to_be());
    let redirect = (all && read.kind == "u32").then(|| redirect_to(options)).flatten();
    let kind = match redirect {
        Some(0) => FilterKind::Redirect(None),
        Some(index) => FilterKind::Redirect(links.dev(index)?),
        None => FilterKind::Other(read.kind.to_owned()),
    };
    Ok(Some(Filter { key, kind }))
}

/// Where a u32 filter sends everything to; none for one that does anything else.
fn redirect_to(options: Attr<'_>) -> Option<u32> {
    let select = options.attrs().first(TCA_U32_SEL)?.data;
    let any = select.get(16..)?.chunks(16).all(|key| key.get(..4) == Some(&[0; 4]));
    let mut actions = options.attrs().first(TCA_U32_ACT)?.attrs();
    let (action, more) = (actions.next()?, actions.next());
    let mirred = action.attrs().first(TCA_ACT_KIND)?.text()? == "mirred";
    let parms = action.attrs().first(TCA_ACT_OPTIONS)?.attrs().first(TCA_MIRRED_PARMS)?.data;
    let number = |at| u32_at(parms, at);
    let away = number(8)? == TC_ACT_STOLEN.cast_unsigned()
        && number(20)? == TCA_EGRESS_REDIR.cast_unsigned();
    (any && more.is_none() && mirred && away).then(|| number(24)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel keeps it: a time of whole nanoseconds, told in whole ticks.
    fn told(rate: u64, bytes: u32) -> u32 {
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        u32::try_from(ns.saturating_sub(1) / TICK).unwrap_or(u32::MAX)
    }

    #[test]
    fn a_burst_comes_back_as_it_was_said() {
        for rate in [1, 125, 12_500, 1_250_000, 125_000_000, 1_250_000_000, 12_500_000_000_u64] {
            for kib in [1, 15, 16, 17, 64, 99, 1024, 4095] {
                let said = kib << 10;
                if u128::from(said) * 1_000_000_000 / u128::from(rate) / TICK < 1 << 32 {
                    assert_eq!(burst(rate, told(rate, said)), Some(said), "{rate} {said}");
                }
            }
        }
    }
}
