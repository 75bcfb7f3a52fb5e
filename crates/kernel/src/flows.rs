//! Tracked connections that a change of published ports has made stale.
//!
//!     conntrack -D -p udp --orig-port-dst 53 [--orig-dst ADDR]
//!
//! Never here: which changes do that.

use std::net::IpAddr;

use ropewalk_facts::Ns;
use ropewalk_wire::ct::{self, To};
use ropewalk_wire::nl::Request;

use crate::error::{Doing, Error};
use crate::space::Kernel;
use crate::{Errno, failpoint};

/// UDP, the number of the protocol.
const UDP: u8 = 17;

impl Kernel {
    /// Forgets the UDP flows that were first sent to `port`, of `addr` or of any address, so that
    /// the next packet of each finds its way anew.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn forget_udp(&mut self, ns: &Ns, port: u16, addr: Option<IpAddr>) -> Result<(), Error> {
        for v6 in [false, true] {
            if addr.is_none_or(|addr| addr.is_ipv6() == v6) {
                self.forget_flows(ns, &To { v6, proto: UDP, port, addr })?;
            }
        }
        Ok(())
    }

    fn forget_flows(&mut self, ns: &Ns, to: &To) -> Result<(), Error> {
        let purged = match ct::purge(to)? {
            Some(request) => self.forget_by(ns, request)?.is_ok(),
            None => false,
        };
        if purged {
            return Ok(());
        }
        // The kernel cannot pick them by itself, so they are picked here.
        let nf = self.space_mut(ns)?.nf()?;
        for flow in nf.dump(&ct::find(to)?, |m| Some(ct::flow(&m)))? {
            if let Some(flow) = flow?.filter(|flow| to.takes(flow)) {
                self.forget_by(ns, ct::delete(&flow)?)?
                    .or_else(|e| if e.errno() == Some(Errno::NOENT) { Ok(()) } else { Err(e) })?;
            }
        }
        Ok(())
    }

    /// Sends one removal. The inner result is the kernel's refusal.
    fn forget_by(&mut self, ns: &Ns, request: Request) -> Result<Result<(), Error>, Error> {
        failpoint::hit("conntrack removal");
        let outcomes = self.space_mut(ns)?.nf()?.exchange(&[request], |_, _| {})?;
        let done = outcomes.into_iter().try_for_each(ropewalk_wire::nl::Outcome::ok);
        Ok(done.map_err(|outcome| Error::refused(Doing::Delete, outcome)))
    }
}
