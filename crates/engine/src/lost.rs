//! Interfaces that were taken over and are not there any more, as a NIC that was pulled out: nothing
//! makes them again, so what a plan says of them cannot be put right.
//!
//! Pure.

use ropewalk_facts::{Body, Fact, Id, IfName, LinkKind, Snapshot};
use ropewalk_plan::Step;

use crate::view::Finding;

/// `steps` without those about such interfaces, and the interfaces.
pub(crate) fn without_lost(steps: Vec<Step>, found: &Snapshot) -> (Vec<Step>, Vec<IfName>) {
    let lost: Vec<IfName> = steps.iter().filter_map(|step| never_made(step, found)).collect();
    let is_lost = |dev: &IfName| lost.contains(dev);
    let of_lost = |step: &Step| {
        let id = step.key().id;
        matches!(&id, Id::Link(name) if is_lost(name))
            || matches!(&id, Id::Sysctl(path) if path.dev().as_ref().is_some_and(is_lost))
    };
    let rest = steps.into_iter().filter(|step| !of_lost(step)).collect();
    (rest, lost)
}

fn never_made(step: &Step, found: &Snapshot) -> Option<IfName> {
    let Step::Ensure(Fact { body: Body::Link(link), .. }) = step else { return None };
    let nic = matches!(link.kind, LinkKind::Other(_) | LinkKind::Veth { peer: None });
    (nic && !found.contains(&step.key())).then(|| link.name.clone())
}

/// What is told of one that `owner` took over.
pub(crate) fn gone(owner: &str, name: &IfName) -> Finding {
    Finding {
        owner: owner.to_owned(),
        object: format!("link {name}"),
        wanted: "there".into(),
        found: "gone; plug it in, or remove what hangs on it".into(),
        repaired: false,
        change: None,
    }
}
