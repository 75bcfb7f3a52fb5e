//! Claims: ports of the host, each held by one attachment for each address of the host.
//!
//!     tcp 8080 on every address   conflicts with   tcp 8080 on 192.0.2.1

use std::net::IpAddr;

use ropewalk_spec::{Publish, hosts_meet};

use crate::error::StoreError;
use crate::key;
use crate::write::Writer;

impl Writer<'_> {
    /// Claims every port of `publish` for the attachment named by `tail`.
    pub(crate) fn claim(&mut self, publish: &Publish, tail: &[u8]) -> Result<(), StoreError> {
        for port in publish.host_ports.iter() {
            let prefix = key::claims_of(publish.proto, port);
            let claims =
                self.scan(&prefix, |rest, holder| (key::read_host(rest), holder.to_vec()))?;
            for (host, holder) in claims {
                let host: Option<IpAddr> = host.ok_or_else(|| self.damaged())?;
                if hosts_meet(host, publish.host) {
                    let holder = Box::new(self.read_tail(&holder)?);
                    return Err(StoreError::PortTaken { publish: *publish, port, holder });
                }
            }
            self.set(&key::claim(publish.proto, port, publish.host), tail)?;
        }
        Ok(())
    }

    /// Gives back every port of `publish`.
    pub(crate) fn unclaim(&mut self, publish: &Publish) -> Result<(), StoreError> {
        for port in publish.host_ports.iter() {
            self.delete(&key::claim(publish.proto, port, publish.host))?;
        }
        Ok(())
    }
}
