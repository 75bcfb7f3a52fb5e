//! Rates: how fast a sandbox may receive and send, kept on the host's side of its pair.
//!
//!     in    tbf where the leg sends
//!     out   what the leg receives goes to an ifb, whose tbf gives it back in time
//!
//! A sandbox may be root of its own namespace: what is on its own end it could take off again.
//! Where nothing is asked for, nothing is made.

use ropewalk_facts::{
    Body, Filter, FilterKey, FilterKind, IfName, Link, LinkKind, Ns, Qdisc, QdiscKind, Side, Tbf,
};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Rate, names};

use crate::wiring::{Wiring, high};

/// The place of our filter on a leg.
const PREF: u16 = 1;

/// The rates of an attachment.
///
/// # Errors
/// None: each is on a link or a place of its own.
pub fn rates(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    if let Some(rate) = wiring.rate_in {
        plan.create(&Ns::HOST, bucket(&wiring.leg, rate, wiring.mtu))?;
    }
    let Some(rate) = wiring.rate_out else { return Ok(plan) };
    let name = names::ifb(&wiring.leg);
    let mut ifb = Link::up(name.clone(), LinkKind::Ifb);
    ifb.mtu = Some(wiring.mtu);
    ifb.mac = wiring.mac.map(high);
    ifb.altnames.insert(names::ifb_altname(&name));
    ifb.alias = Some(format!("{} out", wiring.alias));
    plan.create(&Ns::HOST, Body::Link(ifb))?;
    plan.create(&Ns::HOST, bucket(&name, rate, wiring.mtu))?;
    let ingress = Qdisc::new(wiring.leg.clone(), Side::Ingress, QdiscKind::Ingress);
    plan.create(&Ns::HOST, Body::Qdisc(ingress))?;
    let key = FilterKey { dev: wiring.leg.clone(), pref: PREF };
    let redirect = Filter { key, kind: FilterKind::Redirect(Some(name)) };
    plan.create(&Ns::HOST, Body::Filter(redirect))?;
    Ok(plan)
}

fn bucket(dev: &IfName, rate: Rate, mtu: u32) -> Body {
    let tbf = Tbf { rate: rate.bytes(), burst: rate.burst(mtu), limit: rate.limit(mtu) };
    Body::Qdisc(Qdisc::new(dev.clone(), Side::Root, QdiscKind::Tbf(tbf)))
}
