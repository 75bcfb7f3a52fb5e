//! `bandwidth`: how fast the container may receive (ingress) and send (egress), in bits a second.
//!
//!     {"ingressRate": 1000000, "ingressBurst": 80000, "egressRate": 1000000, "egressBurst": 80000}
//!
//! What it sends goes through an ifb of its own, which is among the interfaces of the answer.

use ropewalk_spec::{Rate, names};

use super::{Link, amendment};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::json::Object;
use crate::net::Task;
use crate::outcome::{Interface, Outcome};

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let (rate_in, rate_out) = rates(task.conf)?;
    let Link { whom, bare, mut outcome, .. } = Link::of(task)?;
    if rate_in.is_none() && rate_out.is_none() {
        return Ok(outcome);
    }
    let Some(leg) = bare.leg.clone() else {
        let what = "bandwidth: the container's interface has no other end on the host";
        return Err(Fault::new(Code::Config, what).details("rates are kept on a pair's host end"));
    };
    let mut amendment = amendment("bandwidth", format!("{rate_in:?} {rate_out:?}"));
    (amendment.rate_in, amendment.rate_out) = (rate_in, rate_out);
    task.engine.amend(&whom, &bare, &amendment)?;
    if rate_out.is_some() {
        let name = names::ifb(&leg).to_string();
        let mac = bare.mac.map(|mac| ropewalk_topology::leg_mac(mac).to_string());
        let ifb = Interface { name, mac: mac.unwrap_or_default(), ..Interface::default() };
        outcome.interfaces.push(ifb);
    }
    Ok(outcome)
}

/// What is asked for in both directions: by the runtime, else by the configuration.
pub(crate) fn rates(conf: &Conf) -> Result<(Option<Rate>, Option<Rate>), Fault> {
    let runtime = conf.fields.object("runtimeConfig")?;
    let runtime = runtime.map(|object| object.object("bandwidth")).transpose()?.flatten();
    let from = runtime.as_ref().unwrap_or(&conf.fields);
    Ok((rate(from, "ingress")?, rate(from, "egress")?))
}

/// A rate and its burst; neither, or both.
fn rate(object: &Object, way: &str) -> Result<Option<Rate>, Fault> {
    /// The largest burst that a bucket of ours has, in bytes.
    const LARGEST: u64 = 64_000_000;
    let number = |what: &str| object.number(&format!("{way}{what}")).map(Option::unwrap_or_default);
    let (bits, burst) = (number("Rate")?, number("Burst")?);
    let config = |what: String| Fault::new(Code::Config, format!("bandwidth: {what}"));
    match (bits, burst) {
        (0, 0) => return Ok(None),
        (0, _) => {
            return Err(config(format!("if {way} burst is set, {way} rate must also be set")));
        }
        (_, 0) => {
            return Err(config(format!("if {way} rate is set, {way} burst must also be set")));
        }
        (_, burst) if burst / 8 > u64::from(u32::MAX) => {
            return Err(config(format!("{way} burst cannot be more than 4GB")));
        }
        (_, _) => {}
    }
    let text = format!("{bits}/{}", (burst / 8).clamp(1, LARGEST));
    let odd = |_| config(format!("{way}Rate {bits} is out of range"));
    text.parse().map(Some).map_err(odd)
}
