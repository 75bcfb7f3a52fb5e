//! Addresses that a runtime asks for: in `CNI_ARGS`, in `args.cni`, and by the capability `ips`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::args::Args;
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::json::Object;

/// The texts of `args.cni.ips`.
pub(crate) fn of_args(conf: &Conf) -> Result<Vec<String>, Fault> {
    match conf.fields.object("args")?.map(|args| args.object("cni")).transpose()?.flatten() {
        Some(cni) => cni.texts("ips"),
        None => Ok(Vec::new()),
    }
}

/// The texts of the capability `ips`.
pub(crate) fn of_runtime(conf: &Conf) -> Result<Vec<String>, Fault> {
    conf.fields.object("runtimeConfig")?.map_or(Ok(Vec::new()), |object| object.texts("ips"))
}

/// What host-local is asked for, from all three places; a prefix length says nothing here.
pub(crate) fn addresses(conf: &Conf, args: &Args) -> Result<Vec<IpAddr>, Fault> {
    let mut texts: Vec<String> = args.value("IP").map(str::to_owned).into_iter().collect();
    texts.extend(of_args(conf)?);
    texts.extend(of_runtime(conf)?);
    let read = |text: &String| {
        let plain = text.parse().or_else(|_| text.parse::<IpNet>().map(|net| net.addr()));
        plain.map_err(|_| Fault::new(Code::Config, format!("ips: {text:?} is no address")))
    };
    texts.iter().map(read).collect()
}

/// The object `ipam`.
pub(crate) fn ipam(conf: &Conf) -> Result<Object, Fault> {
    let missing = || Fault::new(Code::Config, "the configuration has no ipam");
    conf.fields.object("ipam")?.ok_or_else(missing)
}

/// Refuses a second address of a family in versions that have place for one (0.2.0 and older).
pub(crate) fn one_each(conf: &Conf, families: impl Iterator<Item = bool>) -> Result<(), Fault> {
    let (v4, v6): (Vec<bool>, Vec<bool>) = families.partition(|v4| *v4);
    if conf.version > crate::Version::V0_2_0 || (v4.len() < 2 && v6.len() < 2) {
        return Ok(());
    }
    let what = format!("CNI version {} has no place for two addresses of a family", conf.version);
    Err(Fault::new(Code::Config, what).details("0.3.0 and newer have"))
}
