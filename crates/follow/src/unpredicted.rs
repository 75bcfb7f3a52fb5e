//! A cause that was only seen: the model finds nothing wrong, and the packet is dropped or refused.
//!
//!     NETFILTER_DROP in h ─▶ FILTER_DROP · nobody listens ─▶ NO_LISTENER        certainty: seen-only
//!
//! Only what somebody said counts.  That no answer came is a finding, and no cause: the far end may
//! be slow, or silent of its own will.

use ropewalk_walk::{Dropped, Live, Verdict};

/// What is wrong, and where.
struct Cause {
    code: &'static str,
    place: String,
    sentence: String,
}

/// Takes what was seen for the cause, where nothing was predicted.
pub(crate) fn explain(verdict: &mut Verdict, live: &Live) {
    if verdict.code != "OK" || live.agrees || live.answered > 0 {
        return;
    }
    let cause = dropped(verdict, live).or_else(|| told(live)).or_else(|| refused(live));
    let Some(Cause { code, place, sentence }) = cause else { return };
    verdict.code = code.to_owned();
    verdict.place = place;
    verdict.sentence = sentence;
    verdict.certainty = "seen-only".to_owned();
}

fn dropped(verdict: &Verdict, live: &Live) -> Option<Cause> {
    let found = live.drops.iter().filter_map(|drop| Some((drop, code(drop)?)));
    let (drop, code) = found.max_by_key(|(drop, _)| drop.count)?;
    let at = match &drop.device {
        Some(device) if !code.starts_with("FILTER") => format!("{}:{device}", drop.netns),
        _ => drop.netns.clone(),
    };
    // What the model did not understand there is most likely what did it.
    let here = format!("{}:", drop.netns);
    let doubt = verdict.model_gaps.iter().find(|gap| gap.starts_with(&here));
    let doubted = doubt.and_then(|gap| gap.split_once(": ")).map(|(place, _)| place.to_owned());
    let what = if drop.reply { "its answer" } else { "it" };
    let by = drop.stack.join(" < ");
    let sentence = format!(
        "the model finds nothing wrong, and {} drops {what}: {} in {by}",
        drop.netns, drop.reason
    );
    Some(Cause { code, place: doubted.unwrap_or(at), sentence })
}

/// The cause that a reason of the kernel's stands for.
fn code(drop: &Dropped) -> Option<&'static str> {
    let within = |name: &str| drop.stack.iter().any(|f| f.contains(name));
    Some(match drop.reason.as_str() {
        "NETFILTER_DROP" if within("nf_conntrack_in") => "CONNTRACK_FULL",
        "NETFILTER_DROP" if within("br_nf_") => "BRIDGE_NF_DROP",
        "NETFILTER_DROP" if within("nft_do_chain_bridge") || within("ebt_") => "L2_FILTER_DROP",
        "NETFILTER_DROP" if drop.reply => "FILTER_DROP_REPLY",
        "NETFILTER_DROP" => "FILTER_DROP",
        "IP_RPFILTER" => "RP_FILTER",
        "IP_LOCAL_SOURCE" | "IP_INVALID_SOURCE" => "MARTIAN_SOURCE",
        "IP_LOCALNET" => "ROUTE_LOCALNET_OFF",
        "IP_INNOROUTES" | "IP_OUTNOROUTES" => "NO_ROUTE",
        "IPV6DISABLED" => "IPV6_DISABLED",
        "NO_SOCKET" => "NO_LISTENER",
        "NEIGH_FAILED" | "NEIGH_QUEUEFULL" | "NEIGH_DEAD" => "NEIGH_UNRESOLVED",
        "PKT_TOO_BIG" => "MTU_BLACKHOLE",
        "TC_INGRESS" | "TC_EGRESS" | "TC_RECLASSIFY_LOOP" => "TC_DROP",
        "QDISC_DROP" | "QDISC_OVERLIMIT" | "FULL_RING" => "QDISC_DROP",
        "XDP" => "XDP_DROP",
        "BRIDGE_INGRESS_STP_STATE" | "BRIDGE_NON_FORWARDING_STATE" => "STP_STATE",
        "VXLAN_VNI_NOT_FOUND" => "VXLAN_VNI_MISMATCH",
        "VXLAN_NO_REMOTE" => "VXLAN_NO_REMOTE",
        _ => return None,
    })
}

/// What a host on the way said of it.
fn told(live: &Live) -> Option<Cause> {
    live.told.iter().find_map(|said| {
        let (who, what) = said.split_once(" says: ")?;
        let code = match what {
            "it is forbidden" => "FILTER_REJECT",
            "nobody listens on the port" => "NO_LISTENER",
            "no route" | "no route to the network" => "NO_ROUTE",
            "the host cannot be reached" => "NEIGH_UNRESOLVED",
            "it has taken too many hops" => "TTL_EXPIRED",
            _ => return None,
        };
        let sentence = format!("the model finds nothing wrong, and {said}");
        Some(Cause { code, place: who.to_owned(), sentence })
    })
}

fn refused(live: &Live) -> Option<Cause> {
    let last = live.request.as_ref().filter(|_| live.refused)?;
    let place = format!("{}:{}", last.netns, last.device);
    let sentence = "it gets there and is refused: nobody listens, or a rule rejects it".to_owned();
    Some(Cause { code: "NO_LISTENER", place, sentence })
}
