//! Whether this host has room for addresses that are to be a cluster's: nothing of them leads elsewhere.
//!
//!     cluster create lan --subnet 192.168.0.0/16       but 192.168.1.0/24 is this host's own LAN
//!
//! What ropewalk made is compared by the store.  Never here: what other hosts have (each says so when it
//! makes its part).

use ipnet::IpNet;
use ropewalk_facts::{IfName, Link, Ns, Route, proto};

use crate::code::Code;
use crate::fault::Fault;
use crate::network::ways;
use crate::{Engine, host};

impl Engine {
    /// Refuses addresses to parts of which this host has a way that others made.
    ///
    /// # Errors
    /// [`Code::SubnetRouted`], [`Code::Kernel`] when the host cannot be read.
    pub fn has_room(&mut self, nets: &[IpNet]) -> Result<(), Fault> {
        let found = self.kernel.read_all(&Ns::HOST)?;
        let links = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_link());
        let ours: Vec<&Link> = links.filter(|link| host::ours(link)).collect();
        let own = |dev: &IfName| ours.iter().any(|link| link.name == *dev);
        let theirs = |route: &&Route| {
            let by_ours = route.hops.iter().filter_map(|hop| hop.dev.as_ref()).any(own);
            route.proto != proto::ROPEWALK && !by_ours
        };
        for route in host::leading(&found, None).filter(theirs) {
            if let Some(net) = nets.iter().find(|net| host::overlap(route.key.dst, **net)) {
                let what = format!("the host already routes {} of {net}", route.key.dst);
                let fault = Fault::new(Code::SubnetRouted, what);
                let fault = fault.cause(format!("it leads to {}", ways(route)));
                return Err(fault.or_try("choose another --subnet"));
            }
        }
        Ok(())
    }
}
