//! Handing over: what one owner changed stays while another needs it, and that one gives it back.
//!
//!     network a: ip_forward 0 → 1      a goes, b stays      network b: ip_forward 0 → 1
//!     network b: ip_forward, was 1        ─────▶            (nothing is undone)
//!
//! What followed from a change, as the settings of interfaces do from one of all, goes with it.
//! Pure.

use ropewalk_facts::{Id, Key};
use ropewalk_plan::{Change, Plan};

/// An owner that stays: what it states, and what it will give back when it goes.
pub(crate) struct Heir<'a> {
    /// Its plan.
    pub(crate) plan: &'a Plan,
    /// Its changes; inherited ones go in front, as they were made earlier.
    pub(crate) changes: &'a mut Vec<Change>,
}

impl Heir<'_> {
    fn states(&self, key: &Key) -> bool {
        self.plan.states(key)
    }
}

/// Takes from `changes` what the heirs state too. Returns what is left to undo.
pub(crate) fn hand_over(changes: Vec<Change>, heirs: &mut [Heir<'_>]) -> Vec<Change> {
    let mut rest = Vec::new();
    let mut given: Vec<(usize, Change)> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let cause = cause(&changes, at).unwrap_or(change);
        let change = change.clone();
        match heirs.iter().position(|heir| heir.states(&change.key) || heir.states(&cause.key)) {
            Some(at) => given.push((at, change)),
            None => rest.push(change),
        }
    }
    for (at, mut change) in given.into_iter().rev() {
        let Some(heir) = heirs.get_mut(at) else { continue };
        // What the heir changed further is one change from the beginning to its end.
        if let Some(own) = heir.changes.iter().position(|own| own.key == change.key) {
            change.new = heir.changes.remove(own).new;
        }
        heir.changes.insert(0, change);
    }
    rest
}

/// The setting that the one at `at` followed: it stands after what followed from it.
fn cause(changes: &[Change], at: usize) -> Option<&Change> {
    let setting = |change: &Change| matches!(change.key.id, Id::Sysctl(_));
    let follows = |change: &&Change| change.implied && change.new.is_some() && setting(change);
    changes.get(at).filter(follows)?;
    let next = changes.get(at..)?.iter().find(|change| !follows(change))?;
    (setting(next) && !next.implied).then_some(next)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use ropewalk_facts::{Body, Ns, Sysctl, SysctlPath};

    use super::*;

    fn forwarding(value: &str) -> ropewalk_facts::Fact {
        let path = SysctlPath::ip_forward();
        Body::Sysctl(Sysctl { path, value: value.into() }).at(Ns::HOST)
    }

    fn on() -> Change {
        let (old, new) = (Some(forwarding("0")), Some(forwarding("1")));
        Change { key: forwarding("1").key(), old, new, implied: false }
    }

    fn stating() -> Plan {
        let mut plan = Plan::new();
        plan.ensure(&Ns::HOST, forwarding("1").body).unwrap();
        plan
    }

    #[test]
    fn what_another_needs_is_left_to_it_to_undo() {
        let (plan, mut inherited) = (stating(), Vec::new());
        let heir = Heir { plan: &plan, changes: &mut inherited };
        assert_eq!(hand_over(vec![on()], &mut [heir]), []);
        assert_eq!(inherited, [on()]);
    }

    #[test]
    fn what_followed_goes_with_what_it_followed() {
        let (plan, mut inherited) = (stating(), Vec::new());
        let heir = Heir { plan: &plan, changes: &mut inherited };
        let path = SysctlPath::new("net/ipv4/conf/eth0/forwarding").unwrap();
        let eth0 = Body::Sysctl(Sysctl { path, value: "1".into() }).at(Ns::HOST);
        let (old, new) = (Some(eth0.clone()), Some(eth0.clone()));
        let noted = Change { key: eth0.key(), old, new, implied: true };
        let rest = hand_over(vec![noted.clone(), on(), noted.clone()], &mut [heir]);
        assert_eq!((rest, inherited), (vec![noted.clone()], vec![noted, on()]));
    }

    #[test]
    fn what_nobody_needs_is_left_to_undo() {
        let (plan, mut inherited) = (Plan::new(), Vec::new());
        let heir = Heir { plan: &plan, changes: &mut inherited };
        assert_eq!(hand_over(vec![on()], &mut [heir]), [on()]);
        assert_eq!(inherited, []);
    }
}
