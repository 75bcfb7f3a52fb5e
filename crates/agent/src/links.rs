//! What an event means: whether a look is due, and why.
//!
//!     v0: up → down              "link v0 changed"
//!     eth0: down → up            "link eth0 came up", and what is to be done then
//!     a new leg, set up          nothing: whoever makes it is at work
//!
//! Pure: events in, with the moment they were heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ropewalk_kernel::Event;
use ropewalk_kernel::events::{nft, rt};

/// How long a new link is left to whoever makes it.
const YOUNG: Duration = Duration::from_secs(1);
/// What the names of our legs and bridges begin with.
const OURS: &str = "rw";
/// The name of our tables.
const TABLE: &str = "ropewalk";

/// The links as they were last told of.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<u32, Known>);

#[derive(Debug)]
struct Known {
    state: rt::LinkState,
    born: Option<Instant>,
}

/// A reason to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// In words.
    pub(crate) why: String,
    /// A link that is none of ours came up.
    pub(crate) link_up: bool,
    /// Legs of the sandboxes that are to be looked into.
    pub(crate) legs: BTreeSet<String>,
}

impl Reason {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), link_up: false, legs: BTreeSet::new() }
    }
}

impl Links {
    /// Knows `states` from before.
    pub(crate) fn new(states: Vec<rt::LinkState>) -> Self {
        let known = |state: rt::LinkState| (state.index, Known { state, born: None });
        Self(states.into_iter().map(known).collect())
    }

    /// Whether `event`, heard at `now`, is a reason to look.
    pub(crate) fn reason(&mut self, event: Event, now: Instant) -> Option<Reason> {
        match event {
            Event::Overflow => Some(Reason::new("more happened than the kernel could tell")),
            Event::Nft(event) => nft(&event),
            Event::Behind(number) => self.behind(number, now),
            Event::Rt(rt::Event::Link(state)) => self.link(state, now),
            Event::Rt(rt::Event::LinkGone(index)) => {
                let known = self.0.remove(&index);
                let name = known.map_or_else(|| format!("{index}"), |known| known.state.name);
                Some(Reason::new(format!("link {name} went")))
            }
            Event::Rt(rt::Event::Port(index)) => {
                let known = self.0.get(&index).filter(|known| !known.young(now))?;
                Some(Reason::new(format!("bridge port {} changed", known.state.name)))
            }
            Event::Rt(rt::Event::AddrGone) => Some(Reason::new("an address went")),
            Event::Rt(rt::Event::RouteGone) => Some(Reason::new("a route went")),
            Event::Rt(rt::Event::RuleGone) => Some(Reason::new("a policy rule went")),
            Event::Rt(rt::Event::NeighGone) => Some(Reason::new("a neighbour went")),
            Event::Rt(rt::Event::LimitGone) => Some(Reason::new("a limit went")),
        }
    }

    /// What happened in a namespace concerns the legs that lead there, once they are made.
    fn behind(&self, number: i32, now: Instant) -> Option<Reason> {
        let leads = |known: &&Known| known.state.behind == Some(number) && !known.young(now);
        let legs = self.0.values().filter(leads).map(|known| known.state.name.clone());
        let legs: BTreeSet<String> = legs.filter(|name| name.starts_with(OURS)).collect();
        let first = legs.first()?;
        let why = format!("an address or a route behind {first} went");
        Some(Reason { legs, ..Reason::new(why) })
    }

    fn link(&mut self, state: rt::LinkState, now: Instant) -> Option<Reason> {
        let Some(known) = self.0.get_mut(&state.index) else {
            self.0.insert(state.index, Known { state, born: Some(now) });
            return None;
        };
        let before = std::mem::replace(&mut known.state, state);
        let (state, young) = (&known.state, known.young(now));
        if before == *state || young {
            return None;
        }
        let came_up = (state.up && !before.up) || (state.running && !before.running);
        let what = if came_up { "came up" } else { "changed" };
        let link_up = came_up && !state.name.starts_with(OURS);
        let behind = state.behind.is_some() && state.name.starts_with(OURS);
        let legs = behind.then(|| state.name.clone()).into_iter().collect();
        Some(Reason { why: format!("link {} {what}", state.name), link_up, legs })
    }
}

impl Known {
    fn young(&self, now: Instant) -> bool {
        self.born.is_some_and(|born| now.saturating_duration_since(born) < YOUNG)
    }
}

/// Of our table what goes; of others' tables all but elements: their rules may stand in our way.
fn nft(event: &nft::Event) -> Option<Reason> {
    let table = &event.table.table;
    let ours = table == TABLE;
    match (event.gone, event.element) {
        (true, false) => Some(Reason::new(format!("rules of table {table} went"))),
        (true, true) if ours => Some(Reason::new(format!("elements of table {table} went"))),
        (false, false) if !ours => Some(Reason::new(format!("rules of table {table} changed"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ropewalk_facts::nft::{Family, TableKey};

    use super::*;

    fn state(index: u32, name: &str, up: bool) -> rt::LinkState {
        let (mac, mtu) = (vec![2; 6], 1500);
        rt::LinkState {
            index,
            name: name.into(),
            up,
            running: up,
            master: None,
            mac,
            mtu,
            behind: None,
        }
    }

    fn link(state: rt::LinkState) -> Event {
        Event::Rt(rt::Event::Link(state))
    }

    #[test]
    fn a_link_that_comes_up_is_a_reason_to_announce_what_is_behind_us() {
        let mut links = Links::new(vec![state(2, "eth0", true), state(3, "rw-web", true)]);
        let now = Instant::now();
        let down = links.reason(link(state(2, "eth0", false)), now);
        assert_eq!(down, Some(Reason::new("link eth0 changed")));
        let up = links.reason(link(state(2, "eth0", true)), now);
        assert_eq!(up, Some(Reason { link_up: true, ..Reason::new("link eth0 came up") }));
        assert_eq!(links.reason(link(state(2, "eth0", true)), now), None, "nothing new");
        links.reason(link(state(3, "rw-web", false)), now);
        let ours = links.reason(link(state(3, "rw-web", true)), now);
        assert_eq!(ours, Some(Reason::new("link rw-web came up")));
    }

    #[test]
    fn what_goes_in_a_namespace_concerns_the_legs_that_lead_there() {
        let leads = |index, name, number| rt::LinkState {
            behind: Some(number),
            ..state(index, name, true)
        };
        let born = Instant::now();
        let mut links =
            Links::new(vec![leads(3, "rwa", 7), leads(4, "rwb", 7), leads(5, "veth", 7)]);
        links.reason(link(leads(6, "rwc", 8)), born);
        let legs = |reason: Option<Reason>| reason.map(|reason| reason.legs.into_iter().collect());
        let two: Vec<String> = vec!["rwa".into(), "rwb".into()];
        assert_eq!(legs(links.reason(Event::Behind(7), born)), Some(two));
        assert_eq!(legs(links.reason(Event::Behind(8), born)), None, "its maker is at work");
        assert_eq!(legs(links.reason(Event::Behind(8), born + YOUNG)), Some(vec!["rwc".into()]));
        assert_eq!(legs(links.reason(Event::Behind(9), born + YOUNG)), None, "nobody's");
        let down = rt::LinkState { running: false, ..leads(3, "rwa", 7) };
        assert_eq!(legs(links.reason(link(down), born)), Some(vec!["rwa".into()]));
    }

    #[test]
    fn a_new_link_is_its_makers_for_a_second() {
        let mut links = Links::new(Vec::new());
        let born = Instant::now();
        assert_eq!(links.reason(link(state(7, "rw12", false)), born), None);
        assert_eq!(links.reason(link(state(7, "rw12", true)), born), None);
        assert_eq!(links.reason(Event::Rt(rt::Event::Port(7)), born), None);
        let later = born + YOUNG;
        assert!(links.reason(Event::Rt(rt::Event::Port(7)), later).is_some());
        assert!(links.reason(link(state(7, "rw12", false)), later).is_some());
        let gone = links.reason(Event::Rt(rt::Event::LinkGone(7)), later);
        assert_eq!(gone, Some(Reason::new("link rw12 went")));
    }

    #[test]
    fn of_rules_what_went_from_our_table_and_what_changed_in_others() {
        let mut links = Links::default();
        let mut due = |table: &str, gone, element| {
            let table = TableKey::new(Family::Inet, table);
            let event = Event::Nft(nft::Event { table, gone, element });
            links.reason(event, Instant::now()).is_some()
        };
        assert!(due(TABLE, true, false) && due(TABLE, true, true));
        assert!(!due(TABLE, false, false) && !due(TABLE, false, true), "an attach");
        assert!(due("docker", true, false) && due("docker", false, false));
        assert!(!due("docker", true, true) && !due("docker", false, true));
    }
}
