//! Queueing disciplines and filters.

use ropewalk_facts::{
    Body, Filter, FilterKey, FilterKind, Id, IfName, LinkKind, Ns, Qdisc, QdiscKey, QdiscKind,
    Side, Tbf,
};

use super::{Forge, Maker, create};
use crate::Step;

pub(super) const BUILD: [Maker; 4] =
    [Forge::bucket, Forge::ingress, Forge::redirect, Forge::redirect];

pub(super) const CHANGE: [Maker; 4] = [
    Forge::other_rate,
    Forge::other_target,
    |forge| forge.drop_any(|_, x| x.body.as_qdisc().is_some()),
    |forge| forge.drop_any(|_, x| x.body.as_filter().is_some()),
];

impl Forge {
    fn tbf(&mut self) -> Option<QdiscKind> {
        let rates = [12_500, 1_250_000, 125_000_000, 1_250_000_000, 12_500_000_000];
        let rate = self.dice.pick(&rates).copied()?;
        let burst = self.dice.pick(&[16 << 10, 64 << 10, 99 << 10]).copied()?;
        let limit = burst + self.next();
        Some(QdiscKind::Tbf(Tbf { rate, burst, limit }))
    }

    /// A link that can send, without a qdisc of that side.
    fn bare(&mut self, side: Side) -> Option<(Ns, IfName)> {
        let (ns, link) = self.any_link(|forge, ns, l| {
            let key = QdiscKey { dev: l.name.clone(), side };
            let sends = matches!(l.kind, LinkKind::Veth { .. } | LinkKind::Bridge | LinkKind::Ifb);
            sends && !forge.world.contains(&Id::Qdisc(key).at(ns.clone()))
        })?;
        Some((ns, link.name))
    }

    fn bucket(&mut self) -> Option<Vec<Step>> {
        let (ns, dev) = self.bare(Side::Root)?;
        let kind = self.tbf()?;
        create(&ns, Body::Qdisc(Qdisc::new(dev, Side::Root, kind)))
    }

    fn ingress(&mut self) -> Option<Vec<Step>> {
        let (ns, dev) = self.bare(Side::Ingress)?;
        create(&ns, Body::Qdisc(Qdisc::new(dev, Side::Ingress, QdiscKind::Ingress)))
    }

    fn redirect(&mut self) -> Option<Vec<Step>> {
        let at = |x: &Qdisc| x.key.side == Side::Ingress;
        let fact = self.any(|_, x| x.body.as_qdisc().is_some_and(at))?;
        let dev = fact.body.as_qdisc()?.key.dev.clone();
        let to = self.target(&fact.ns, &dev)?;
        let pref = u16::try_from(self.next()).ok()?;
        let key = FilterKey { dev, pref };
        create(&fact.ns, Body::Filter(Filter { key, kind: FilterKind::Redirect(Some(to)) }))
    }

    fn target(&mut self, ns: &Ns, dev: &IfName) -> Option<IfName> {
        let ifb = |at: &Ns, kind: &LinkKind| at == ns && *kind == LinkKind::Ifb;
        let (_, link) = self.any_link(|_, at, l| ifb(at, &l.kind) && l.name != *dev)?;
        Some(link.name)
    }

    fn other_rate(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| x.body.as_qdisc().is_some_and(|x| x.key.side == Side::Root))?;
        let kind = self.tbf()?;
        let key = fact.body.as_qdisc()?.key.clone();
        self.alter(Body::Qdisc(Qdisc { key, kind }).at(fact.ns))
    }

    fn other_target(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| x.body.as_filter().is_some())?;
        let key = fact.body.as_filter()?.key.clone();
        let to = self.target(&fact.ns, &key.dev)?;
        let kind = FilterKind::Redirect(Some(to));
        self.alter(Body::Filter(Filter { key, kind }).at(fact.ns))
    }
}
