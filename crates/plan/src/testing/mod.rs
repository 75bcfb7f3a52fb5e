//! Random plans over all nouns, both families and several namespaces, such as a real kernel takes.
//!
//!     case(7) ──▶ before: a plan that builds a small world in the host and two namespaces
//!                 plan:   a plan that makes, alters and removes things in it
//!
//! Both are for fresh namespaces: the one ropewalk runs in, and those of [`SPACES`], which are
//! there.  No plan contradicts itself: what a step states, no later step takes back.  Whatever goes
//! can be made again, so that every plan can be undone.  Kinds of links: veth, bridge, ifb, vxlan, macvlan, tap.

mod dice;
mod inet;
mod links;
mod nft;
mod rest;
mod traffic;

use ropewalk_facts::{Body, Fact, IfName, Key, Link, Ns, Snapshot};

use crate::holds::{holds, merge};
use crate::lineage::named;
use crate::predict::Run;
use crate::{Plan, Step};
use dice::Dice;

/// The namespaces that are there beside the host's.
pub const SPACES: [&str; 2] = ["netns:rw-a", "netns:rw-b"];

/// A random situation.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is built first.
    pub before: Plan,
    /// What is then planned.
    pub plan: Plan,
}

/// What is in the fresh namespaces, as far as plans of cases know.
#[must_use]
pub fn start() -> Snapshot {
    let spaces = [Ns::HOST].into_iter().chain(SPACES.map(Ns::new));
    spaces.filter_map(|ns| Some(Body::Link(crate::predict::loopback(lo()?)).at(ns))).collect()
}

/// The case of a seed.
#[must_use]
pub fn case(seed: u64) -> Case {
    let mut forge = Forge::new(seed);
    let before = forge.build(30);
    let plan = forge.change(25);
    Case { before, plan }
}

fn lo() -> Option<IfName> {
    IfName::new("lo").ok()
}

/// A random plan under way.
struct Forge {
    dice: Dice,
    /// What is there after the steps so far.
    world: Snapshot,
    plan: Plan,
    /// Makes names unique.
    serial: u32,
}

/// What a forge may do next: steps that belong together, or nothing.
type Maker = fn(&mut Forge) -> Option<Vec<Step>>;

impl Forge {
    fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), world: start(), plan: Plan::new(), serial: 0 }
    }

    fn build(&mut self, steps: usize) -> Plan {
        self.raise(&links::BUILD, 8);
        let all = [&links::BUILD[..], &inet::BUILD, &rest::BUILD, &traffic::BUILD, &nft::BUILD];
        let all = all.concat();
        self.raise(&all, steps);
        std::mem::take(&mut self.plan)
    }

    fn change(&mut self, steps: usize) -> Plan {
        let all = [
            &links::BUILD[..],
            &links::CHANGE,
            &inet::BUILD,
            &inet::CHANGE,
            &rest::BUILD,
            &rest::CHANGE,
            &traffic::BUILD,
            &traffic::CHANGE,
            &nft::BUILD,
            &nft::CHANGE,
        ]
        .concat();
        self.raise(&all, steps);
        std::mem::take(&mut self.plan)
    }

    fn raise(&mut self, makers: &[Maker], steps: usize) {
        let mut tries = steps * 20;
        let goal = self.plan.steps().len() + steps;
        while self.plan.steps().len() < goal && tries > 0 {
            tries -= 1;
            let made = self.dice.pick(makers).copied().and_then(|make| make(self));
            if let Some(steps) = made {
                self.accept(steps);
            }
        }
    }

    /// Adds steps to the plan unless they contradict it, or cannot be undone.
    fn accept(&mut self, steps: Vec<Step>) {
        let mut plan = self.plan.clone();
        if steps.iter().any(|step| plan.push(step.clone()).is_err()) {
            return;
        }
        let mut world = self.world.clone();
        let mut run = Run::new(plan.steps(), &mut world);
        if steps.iter().any(|step| run.step(step).is_err()) {
            return;
        }
        let out = run.into_changes();
        let own = |key: &Key| steps.iter().any(|step| step.key() == *key);
        let clashes = out.iter().any(|c| !own(&c.key) && self.plan.states(&c.key));
        let restorable = out.iter().filter_map(|c| c.old.as_ref()).all(|old| self.reachable(old));
        if !clashes && restorable {
            self.plan = plan;
            self.world = world;
        }
    }

    /// A number not given before.
    fn next(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// All namespaces that are there.
    fn spaces(&self) -> Vec<Ns> {
        let named = self.world.iter().filter_map(|fact| {
            if let Body::Netns(name) = &fact.body { Some(named(name)) } else { None }
        });
        [Ns::HOST].into_iter().chain(SPACES.map(Ns::new)).chain(named).collect()
    }

    fn space(&mut self) -> Option<Ns> {
        let spaces = self.spaces();
        self.dice.pick(&spaces).cloned()
    }

    /// One of the facts for which `which` is true.
    fn any(&mut self, which: impl Fn(&Self, &Fact) -> bool) -> Option<Fact> {
        let found: Vec<Fact> =
            self.world.iter().filter(|fact| which(self, fact)).cloned().collect();
        self.dice.pick(&found).cloned()
    }

    /// One of the links for which `which` is true, and its namespace.
    fn any_link(&mut self, which: impl Fn(&Self, &Ns, &Link) -> bool) -> Option<(Ns, Link)> {
        let is = |forge: &Self, x: &Fact| x.body.as_link().is_some_and(|l| which(forge, &x.ns, l));
        let fact = self.any(is)?;
        Some((fact.ns, fact.body.as_link()?.clone()))
    }

    /// The removal of one of the facts for which `which` is true.
    fn drop_any(&mut self, which: impl Fn(&Self, &Fact) -> bool) -> Option<Vec<Step>> {
        Some(vec![Step::Absent(self.any(which)?.key())])
    }

    /// An alteration of a fact, unless it changes nothing.
    fn alter(&self, wish: Fact) -> Option<Vec<Step>> {
        let found = self.world.fact(&wish.key())?;
        (!holds(&wish, found) && merge(&wish, found) != *found).then(|| vec![Step::Ensure(wish)])
    }
}

fn create(ns: &Ns, body: Body) -> Option<Vec<Step>> {
    Some(vec![Step::Create(body.at(ns.clone()))])
}
