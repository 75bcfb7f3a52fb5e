//! Interfaces without an end on the host: macvlan, ipvlan, vlan, host-device, dummy, tap.
//!
//!     {"type": "macvlan", "master": "eth1", "mode": "bridge", "ipam": {…}}
//!     {"type": "host-device", "device": "eth2"}
//!
//! Without a `master` they stand on the link of the host's default route.

use std::path::Path;

use ropewalk_facts::{IfName, IpvlanMode, MacvlanMode, TapSpec};
use ropewalk_spec::{Told, Wired};

use super::{Draft, Task, link, mac, mtu, previous, ways};
use crate::conf::Conf;
use crate::delegate::Ipam;
use crate::fault::{Code, Fault};
use crate::outcome::{Interface, Outcome};
use crate::plugin::Plugin;

/// ADD of `plugin`.
pub(crate) fn add(task: &mut Task<'_>, plugin: Plugin) -> Result<Outcome, Fault> {
    let own_mac = matches!(plugin, Plugin::Macvlan | Plugin::Tap);
    if own_mac {
        task.call.args.only(&["MAC"])?;
    }
    if plugin == Plugin::HostDevice && has_no_interface(task.conf)? {
        return address_alone(task);
    }
    let inside = inside(task.conf)?;
    let wired = wired(task, plugin)?;
    let needs = matches!(plugin, Plugin::Vlan | Plugin::Dummy);
    let hands_on = plugin == Plugin::Ipvlan;
    let (conf, call) = (task.conf, task.call);
    let mtu = mtu(conf)?;
    let mac = if own_mac { mac(conf, call)? } else { None };
    task.add(None, |outcome| {
        let before = conf.previous.clone().filter(|_| hands_on && outcome.is_none());
        if outcome.is_none() && needs {
            let what = format!("{}: the configuration names no ipam.type", plugin.name());
            return Err(Fault::new(Code::Config, what));
        }
        let mut outcome = outcome.or(before).unwrap_or_default();
        // These never hand on what came with the addresses.
        outcome.dns = conf.dns.clone();
        let addresses = outcome.ips.iter().map(|ip| ip.address).collect();
        let ways = ways(&outcome);
        let told = Told {
            wired: wired.clone(),
            mac,
            mtu,
            addresses,
            ways,
            masquerade: false,
            dad: false,
            up: true,
            inside,
        };
        let (bridge, shared, entry) = (None, Vec::new(), None);
        Ok(Draft { bridge, shared, force_address: false, told, outcome, entry })
    })
}

/// ADD of a device that a process of the container drives by itself.
fn address_alone(task: &Task<'_>) -> Result<Outcome, Fault> {
    let ipam = Ipam::of(task.conf, task.call)?;
    if ipam.as_ref().is_some_and(Ipam::comes_after) {
        let what = "host-device: a device with a driver of DPDK has no interface to ask by DHCP";
        return Err(Fault::new(Code::Config, what).details("give it another ipam.type"));
    }
    let outcome = ipam.map(|ipam| ipam.add()).transpose()?.unwrap_or_default();
    Ok(Outcome { dns: task.conf.dns.clone(), ..outcome })
}

/// CHECK: of a device without an interface there is the address.
pub(crate) fn check(task: &mut Task<'_>, plugin: Plugin) -> Result<(), Fault> {
    if plugin == Plugin::HostDevice && has_no_interface(task.conf)? {
        previous(task.conf)?;
        return Ipam::of(task.conf, task.call)?.map_or(Ok(()), |ipam| ipam.check());
    }
    task.check()
}

/// True for a device on PCI that has a driver of DPDK, which makes no interface of it.
fn has_no_interface(conf: &Conf) -> Result<bool, Fault> {
    const DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];
    let driver = std::fs::read_link(format!("/sys/bus/pci/devices/{}/driver", pci(conf)?));
    let driver = driver.ok().and_then(|path| path.file_name()?.to_str().map(str::to_owned));
    Ok(driver.is_some_and(|driver| DRIVERS.contains(&driver.as_str())))
}

/// The address on PCI: what the runtime says, else the configuration.
fn pci(conf: &Conf) -> Result<String, Fault> {
    let runtime = conf.fields.object("runtimeConfig")?;
    let id = runtime.map_or(Ok(String::new()), |object| object.text("deviceID"))?;
    let id = if id.is_empty() { conf.fields.text("pciBusID")? } else { id };
    match id.contains('/') || id.starts_with('.') {
        true => Err(Fault::new(Code::Config, format!("host-device: {id:?} is no device"))),
        false => Ok(id),
    }
}

/// STATUS: the link below is there.
pub(crate) fn status(task: &mut Task<'_>, plugin: Plugin) -> Result<(), Fault> {
    if plugin == Plugin::HostDevice && has_no_interface(task.conf)? {
        return Ok(());
    }
    let wired = wired(task, plugin)?;
    let Some(name) = wired.below().filter(|_| !inside(task.conf).unwrap_or_default()) else {
        return Ok(());
    };
    match task.engine.has_link(name)? {
        true => Ok(()),
        false => {
            let what = format!("{}: there is no interface {name}", plugin.name());
            Err(Fault::new(Code::NotAvailable, what))
        }
    }
}

fn wired(task: &mut Task<'_>, plugin: Plugin) -> Result<Wired, Fault> {
    let conf = task.conf;
    match plugin {
        Plugin::Macvlan => {
            let mode = mode(conf, "bridge", MacvlanMode::from_word)?;
            let queue = number(conf, "macvlan", "bcqueuelen")?.filter(|n| *n != 0);
            Ok(Wired::Macvlan { master: master(task)?, mode, queue })
        }
        Plugin::Ipvlan => {
            let mode = mode(conf, "l2", IpvlanMode::from_word)?;
            Ok(Wired::Ipvlan { master: master(task)?, mode })
        }
        Plugin::Vlan => {
            let missing = || Fault::new(Code::Config, "\"master\" field is required");
            Ok(Wired::Vlan { master: link(conf, "master")?.ok_or_else(missing)?, id: vlan(conf)? })
        }
        Plugin::HostDevice => Ok(Wired::Device { name: device(task)? }),
        Plugin::Tap => tap(conf),
        Plugin::Bridge
        | Plugin::Ptp
        | Plugin::Dummy
        | Plugin::Loopback
        | Plugin::Portmap
        | Plugin::Bandwidth
        | Plugin::Firewall
        | Plugin::Tuning
        | Plugin::Sbr
        | Plugin::Vrf
        | Plugin::HostLocal
        | Plugin::Static
        | Plugin::Dhcp
        | Plugin::Ropewalk => Ok(Wired::Dummy),
    }
}

/// True where the link that it stands on is in the container.
fn inside(conf: &Conf) -> Result<bool, Fault> {
    Ok(conf.fields.truth("linkInContainer")? == Some(true))
}

/// The word for how links that share one reach each other.
fn mode<T>(conf: &Conf, usual: &str, read: fn(&str) -> Option<T>) -> Result<T, Fault> {
    let text = conf.fields.text("mode")?;
    let word = if text.is_empty() { usual } else { text.as_str() };
    read(word).ok_or_else(|| Fault::new(Code::Config, format!("unknown mode: {word:?}")))
}

/// `master`, else the interface of the plugin before, else the link of the default route.
fn master(task: &mut Task<'_>) -> Result<IfName, Fault> {
    if let Some(name) = link(task.conf, "master")? {
        return Ok(name);
    }
    let before = task.conf.previous.iter().flat_map(|outcome| &outcome.interfaces);
    let before: Vec<&Interface> = before.collect();
    if let ([one], "ipvlan") = (before.as_slice(), task.conf.kind.as_str()) {
        let odd = |why| Fault::new(Code::Config, format!("master of prevResult: {why}"));
        return IfName::new(one.name.as_str()).map_err(odd);
    }
    if inside(task.conf)? {
        return Err(Fault::new(Code::Config, "linkInContainer: the configuration names no master"));
    }
    let none = || {
        Fault::new(Code::Config, "no master: the host has no default route to take it from")
            .details("give the configuration a master")
    };
    task.engine.default_link()?.ok_or_else(none)
}

fn vlan(conf: &Conf) -> Result<u16, Fault> {
    let id = conf.fields.number("vlanId")?.unwrap_or(0);
    let odd = || {
        Fault::new(
            Code::Config,
            format!("invalid VLAN ID {id} (must be between 0 and 4095 inclusive)"),
        )
    };
    u16::try_from(id).ok().filter(|id| *id < 4095).ok_or_else(odd)
}

/// The device: by its name, else its hardware address, its place in /sys, its address on PCI.
fn device(task: &mut Task<'_>) -> Result<IfName, Fault> {
    let conf = task.conf;
    let [path, hwaddr] = [conf.fields.text("kernelpath")?, conf.fields.text("hwaddr")?];
    if let Some(name) = link(conf, "device")? {
        return Ok(name);
    }
    if !hwaddr.is_empty() {
        let odd = |_| Fault::new(Code::Config, format!("invalid MAC address {hwaddr:?}"));
        let mac = hwaddr.to_lowercase().parse().map_err(odd)?;
        return task.engine.link_of(mac)?.ok_or_else(|| no_device(&hwaddr));
    }
    if !path.is_empty() {
        if !path.starts_with("/sys/devices/") || path.contains("..") {
            let what = format!("kernelpath {path:?} is not below /sys/devices");
            return Err(Fault::new(Code::Config, what));
        }
        return below(Path::new(&path)).ok_or_else(|| no_device(&path));
    }
    let pci = pci(conf)?;
    if pci.is_empty() {
        let what = "specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\"";
        return Err(Fault::new(Code::Config, what));
    }
    let kinds = ["pci", "auxiliary"].map(|bus| format!("/sys/bus/{bus}/devices/{pci}"));
    kinds.iter().find_map(|at| below(Path::new(at))).ok_or_else(|| no_device(&pci))
}

/// The interface of a device in /sys; those of virtio are one level below.
fn below(device: &Path) -> Option<IfName> {
    let names = |path: &Path| -> Vec<String> {
        let all = std::fs::read_dir(path).into_iter().flatten();
        all.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    };
    let virtio = names(device).into_iter().filter(|name| name.starts_with("virtio"));
    let places = [device.join("net")].into_iter();
    let mut places = places.chain(virtio.map(|name| device.join(name).join("net")));
    let name = places.find_map(|place| names(&place).into_iter().min())?;
    IfName::new(name).ok()
}

fn no_device(which: &str) -> Fault {
    Fault::new(Code::Config, format!("host-device: no interface of the host is {which}"))
}

fn tap(conf: &Conf) -> Result<Wired, Fault> {
    if !conf.fields.text("selinuxContext")?.is_empty() {
        // It is that of the process that makes the tap (`tun_dev_alloc_security`), which cannot
        // become another and come back.
        let what = "tap: selinuxContext cannot be given: a tap has the context of who makes it";
        let way_out =
            "run the runtime's plugins in that context (a domain transition of the policy)";
        return Err(Fault::new(Code::Unsupported, what).details(way_out));
    }
    let id = |name: &str| number(conf, "tap", name);
    let multi_queue = conf.fields.truth("multiQueue")? == Some(true);
    let spec = TapSpec { owner: id("owner")?, group: id("group")?, multi_queue };
    Ok(Wired::Tap { spec, bridge: link(conf, "bridge")? })
}

/// A number of 32 bits.
fn number(conf: &Conf, plugin: &str, name: &str) -> Result<Option<u32>, Fault> {
    let odd = |_| Fault::new(Code::Config, format!("{plugin}: {name} is out of range"));
    conf.fields.number(name)?.map(u32::try_from).transpose().map_err(odd)
}
