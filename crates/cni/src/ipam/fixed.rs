//! `static`: addresses that stand in the configuration, or that the runtime says.
//!
//!     "addresses": [{"address": "10.9.0.5/24", "gateway": "10.9.0.1"}]
//!
//! Pure: it remembers nothing, so there is nothing to give back.

use std::net::IpAddr;

use ipnet::IpNet;

use super::wishes;
use crate::args::Args;
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::outcome::{Dns, Ip, Outcome};
use crate::{from, json::Object};

/// The addresses, routes and name servers that are asked for.
pub(crate) fn add(conf: &Conf, args: &Args) -> Result<Outcome, Fault> {
    args.only(&["IP", "GATEWAY"])?;
    let ipam = wishes::ipam(conf)?;
    let ips = addresses(conf, &ipam, args)?;
    wishes::one_each(conf, ips.iter().map(|ip| matches!(ip.address, IpNet::V4(_))))?;
    Ok(Outcome { ips, routes: from::routes(&ipam)?, dns: Dns::read(&ipam)?, ..Outcome::default() })
}

/// The addresses are those of the result before.
pub(crate) fn check(conf: &Conf, args: &Args) -> Result<(), Fault> {
    let wanted = add(conf, args)?;
    let Some(found) = &conf.previous else {
        return Err(Fault::new(Code::Config, "CHECK needs a prevResult"));
    };
    for ip in wanted.ips {
        let same = |other: &Ip| other.address == ip.address && other.gateway == ip.gateway;
        if !found.ips.iter().any(same) {
            let what = format!("static: {} is not in the result of ADD", ip.address);
            return Err(Fault::new(Code::Internal, what));
        }
    }
    Ok(())
}

/// Those of the runtime, else of `args.cni`, else of the configuration and `CNI_ARGS` together.
fn addresses(conf: &Conf, ipam: &Object, args: &Args) -> Result<Vec<Ip>, Fault> {
    let mut ips = Vec::new();
    for object in ipam.objects("addresses")? {
        let address = cidr(&object.text("address")?)?;
        ips.push(Ip { gateway: super::range::ip(&object, "gateway")?, ..plain(address) });
    }
    ips.extend(of_args(args)?);
    for texts in [wishes::of_args(conf)?, wishes::of_runtime(conf)?] {
        if !texts.is_empty() {
            ips = texts.iter().map(|text| cidr(text).map(plain)).collect::<Result<_, _>>()?;
        }
    }
    Ok(ips)
}

/// Those of `CNI_ARGS`; gateways given there are for these alone.
fn of_args(args: &Args) -> Result<Vec<Ip>, Fault> {
    let list = |key| args.value(key).into_iter().flat_map(|list| list.split(',')).map(str::trim);
    let mut ips: Vec<Ip> =
        list("IP").map(|text| cidr(text).map(plain)).collect::<Result<_, _>>()?;
    for text in list("GATEWAY") {
        let gateway: IpAddr = text.parse().map_err(|_| {
            Fault::new(Code::Environment, format!("CNI_ARGS: GATEWAY {text:?} is no address"))
        })?;
        let on_link = ips.iter_mut().filter(|ip| ip.address.contains(&gateway));
        on_link.for_each(|ip| ip.gateway = Some(gateway));
    }
    Ok(ips)
}

fn plain(address: IpNet) -> Ip {
    Ip { interface: None, address, gateway: None }
}

fn cidr(text: &str) -> Result<IpNet, Fault> {
    text.parse().map_err(|_| {
        let what = format!("static: {text:?} is no address with a prefix length");
        Fault::new(Code::Config, what).details("it is written like 10.9.0.5/24")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;
    use crate::call::Command;

    fn asked(conf: &str, args: &str) -> Result<String, Fault> {
        let text = format!(r#"{{"cniVersion": "1.1.0", "name": "n", {conf}}}"#);
        let conf = Conf::read(text.as_bytes(), "static", Command::Add)?;
        let outcome = add(&conf, &Args::read(args)?)?;
        let one = |ip: &Ip| match ip.gateway {
            Some(gateway) => format!("{} via {gateway}", ip.address),
            None => ip.address.to_string(),
        };
        Ok(outcome.ips.iter().map(one).collect::<Vec<_>>().join(", "))
    }

    const ONE: &str =
        r#""ipam": {"addresses": [{"address": "10.9.0.5/24", "gateway": "10.9.0.1"}]}"#;

    #[test]
    fn the_runtime_is_believed_before_the_arguments_and_these_before_the_file() {
        assert_eq!(asked(ONE, "").unwrap(), "10.9.0.5/24 via 10.9.0.1");
        let added = asked(ONE, "IP=10.9.0.6/24, fd00::6/64;GATEWAY=fd00::1").unwrap();
        assert_eq!(added, "10.9.0.5/24 via 10.9.0.1, 10.9.0.6/24, fd00::6/64 via fd00::1");
        let args = format!(r#"{ONE}, "args": {{"cni": {{"ips": ["10.9.0.7/24"]}}}}"#);
        assert_eq!(asked(&args, "IP=10.9.0.6/24").unwrap(), "10.9.0.7/24");
        let runtime = format!(r#"{args}, "runtimeConfig": {{"ips": ["10.9.0.8/24"]}}"#);
        assert_eq!(asked(&runtime, "").unwrap(), "10.9.0.8/24");
    }

    #[test]
    fn odd_addresses_are_refused() {
        assert_eq!(asked(ONE, "IP=10.9.0.6").unwrap_err().code, Code::Config);
        assert_eq!(asked(ONE, "GATEWAY=x").unwrap_err().code, Code::Environment);
        assert_eq!(asked(ONE, "MAC=x").unwrap_err().code, Code::Environment);
        assert_eq!(asked(r#""dns": {}"#, "").unwrap_err().msg, "the configuration has no ipam");
    }
}
