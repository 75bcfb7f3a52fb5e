//! A private network with a socket in it, and what is asked of every object: that it is found as it
//! was made.

use std::net::IpAddr;

use ropewalk_facts::{Body, IfName, LinkKind, Ns};
use ropewalk_testnet::Private;
use ropewalk_wire::rt::{self, Links, Make};

use crate::socket::Socket;

pub(crate) fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) struct Net {
    private: Private,
    pub(crate) rt: Socket,
}

impl Net {
    pub(crate) fn enter() -> Self {
        let private = Private::enter();
        Self { private, rt: Socket::route() }
    }

    /// Two pairs, a0 and b0 up with addresses.
    pub(crate) fn with_links() -> Self {
        let net = Self::enter();
        net.sh("ip link add a0 type veth peer name a1; ip link add b0 type veth peer name b1
                for d in a0 a1 b0 b1; do ip link set $d up; done
                ip addr add 10.1.0.1/24 dev a0; ip addr add 10.2.0.1/24 dev b0
                ip addr add fd01::1/64 dev a0 nodad; ip addr add fd02::1/64 dev b0 nodad");
        net
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        self.private.sh(script)
    }

    pub(crate) fn links(&self) -> Links {
        let mut links = Links::new(Ns::HOST);
        for kept in self.rt.must(&[rt::links_dump().unwrap()]) {
            links.learn(&kept.message());
        }
        links
    }

    /// Everything there is.
    pub(crate) fn found(&self) -> Vec<Body> {
        let links = self.links();
        let mut all = self.rt.must(&[rt::links_dump().unwrap()]);
        all.extend(self.rt.must(&rt::dumps().unwrap()));
        all.iter().flat_map(|kept| rt::decode(&kept.message(), &links).unwrap()).collect()
    }

    /// What the targeted request for `body` finds of the same object.
    pub(crate) fn read(&self, body: &Body) -> Option<Body> {
        let links = self.links();
        let ask = |request| {
            let (_, kept) = self.rt.ask(&request);
            let all = kept.iter().flat_map(|kept| rt::decode(&kept.message(), &links).unwrap());
            all.into_iter().find(|found| found.id() == body.id())
        };
        let narrow = ask(rt::read(&body.id(), &links).unwrap());
        narrow.or_else(|| rt::read_wide(&body.id()).unwrap().and_then(ask))
    }

    #[track_caller]
    pub(crate) fn create(&self, body: &Body) {
        self.rt.must(&rt::create(body, Make::Exclusive, None, &self.links()).unwrap());
    }

    #[track_caller]
    pub(crate) fn change(&self, old: &Body, new: &Body) {
        self.rt.must(&rt::change(old, new, &self.links()).unwrap());
    }

    #[track_caller]
    pub(crate) fn delete(&self, body: &Body) {
        self.rt.must(&rt::delete(body, &self.links()).unwrap());
    }

    /// Makes it, finds it in the dump and by asking for it, cannot make it twice, removes it.
    #[track_caller]
    pub(crate) fn round(&self, body: &Body) {
        self.create(body);
        let found = self.found();
        assert!(found.contains(body), "{body:#?} is not in {:#?}", alike(&found, body));
        assert_eq!(self.read(body).as_ref(), Some(body));
        let again = rt::create(body, Make::Exclusive, None, &self.links()).unwrap();
        let (outcome, _) = self.rt.ask(again.first().unwrap());
        let silent = matches!(body, Body::Neigh(n) if n.key.proxy)
            || matches!(body, Body::Fdb(f) if f.key.dst.is_some());
        assert_eq!(outcome.errno, if silent { 0 } else { libc::EEXIST }, "{outcome:?}");
        // An ifb's hardware address and a vxlan's port cannot be set once they are there.
        let fixed = body.as_link().is_some_and(|l| l.kind != LinkKind::Bridge);
        if !fixed && !matches!(body, Body::Rule(_)) {
            let again = rt::create(body, Make::Shared, None, &self.links()).unwrap();
            self.rt.must(again.get(..1).unwrap());
            assert_eq!(self.read(body).as_ref(), Some(body), "after making it again");
        }
        self.delete(body);
        assert_eq!(self.read(body), None);
        assert!(!self.found().contains(body));
    }
}

fn alike(found: &[Body], body: &Body) -> Vec<Body> {
    let kind = std::mem::discriminant(body);
    found.iter().filter(|b| std::mem::discriminant(*b) == kind).cloned().collect()
}
