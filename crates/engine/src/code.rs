//! The stable names of faults, and the page that `ropewalk help CODE` prints for each.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident $name:literal $page:literal,)*) => {
        /// The stable name of a kind of fault: scripts may rely on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $page] $variant,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, as it is printed in brackets.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means and what to do, in a few lines.
            #[must_use]
            pub fn page(self) -> &'static str {
                match self { $(Self::$variant => $page,)* }
            }
        }
    };
}

codes! {
    AddrOutside "addr-outside" "The address is not one of the network's subnets, or not one that a sandbox may have (the network's own address, its broadcast address, its gateway). `ropewalk network inspect NAME` shows the subnets and the range.",
    AddrTaken "addr-taken" "Another attachment holds the address, or another host of the LAN answers for it; the message names the holder, or its hardware address. Leave `--ip` out to get the next free one, or detach the holder.",
    AgentAbsent "agent-absent" "No agent of this host answers on its socket in the state folder. `systemctl start ropewalk-agent`, or `ropewalk agent`, starts one; `ropewalk repair` looks at everything without it.",
    AgentRunning "agent-running" "A host has one agent, and it is running; the message names its process. `systemctl status ropewalk-agent` shows it where systemd started it.",
    AlreadyAttached "already-attached" "The sandbox is on this network already, with other settings than those asked for. Detach it first, or give another interface name with `--name`.",
    BadFile "bad-file" "A file could not be read or understood. The message shows the place and what was expected there.",
    BadInput "bad-input" "What was given on the command line makes no sense; the message says what was expected.",
    BridgeUnfit "bridge-unfit" "The interface named as the bridge is there, but is no bridge.",
    ByHand "by-hand" "Part of a repair is nothing that ropewalk changes by itself: a service that somebody has to start, a connection that would be forgotten for good, a setting that could not be put back. The message shows the commands, which are run as they are; nothing was changed.",
    ClusterNone "cluster-none" "The host is in no cluster. `ropewalk join etcd://HOST` makes it a member of the one whose store is there.",
    ClusterRefused "cluster-refused" "The cluster does not let the host do that; the message says why. `ropewalk cluster status` shows its hosts and networks.",
    ClusterStore "cluster-store" "The store of the cluster could not be used: no member answers, or the one that does refuses the host's certificate, user or password. The members' own words are shown. Networks that are there go on working.",
    DhcpRefused "dhcp-refused" "No DHCP server of the LAN answered, or none gave an address. A server must be on the LAN of the network's parent, and have a free address for a client it does not know. `--dhcp-timeout` of the network says how long it is waited for.",
    EngineDown "engine-down" "The container engine does not answer at its socket, so a container cannot be found by its name. Start the engine, or name the sandbox by `pid:N`.",
    GatewaySilent "gateway-silent" "Before a NIC is taken over the LAN's gateways are asked (by ARP or neighbour discovery, and by ping), and afterwards again: when one that answered does not answer any more, everything is moved back. Where none answers at all, give `--confirm-within 30s`, and say within that time that you can still reach the host: `ropewalk confirm NETWORK`.",
    GuardFailed "guard-failed" "The process that would take a move of the host's NIC back, if something went wrong, could not be started; nothing was moved.",
    IfnameTaken "ifname-taken" "The sandbox has an interface of this name that ropewalk did not make. Give another with `--name`.",
    Kernel "kernel" "The kernel refused a request; its own words are shown. Nothing was left half done: what had been changed was changed back.",
    LabBroken "lab-broken" "A lab could not be built, found or taken down; the message says which part.",
    NetworkBroken "network-broken" "What a network's attachments share, its bridge or the rule set, was taken away by somebody. `ropewalk repair` puts it back.",
    NetworkExists "network-exists" "There is a network of this name, with other settings. Remove it first (`ropewalk network rm NAME`), or choose another name.",
    NetworkInUse "network-in-use" "Sandboxes are attached to the network; the message names them. Detach them first.",
    NetworkUnconfirmed "network-unconfirmed" "The network took over a NIC of the host and waits for a person to say that the host can still be reached; until then nothing can be attached to it. `ropewalk confirm NETWORK`.",
    NetworkUnknown "network-unknown" "No network of this name is defined. `ropewalk network ls` lists those that are.",
    NotAttached "not-attached" "The sandbox is not attached to this network by ropewalk. `ropewalk ps` lists what is.",
    NotOnTrial "not-on-trial" "Only a network that was made with `--confirm-within` waits to be confirmed, and only for as long as that said. `ropewalk network ls` shows which is there.",
    NotPrivileged "not-privileged" "Making networks needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN).",
    NotPublished "not-published" "The port is not published for this sandbox. `ropewalk ps` lists what is.",
    NothingToUndo "nothing-to-undo" "No repair of this number is written down, or none at all. `ropewalk undo --list` shows those that are; a restart of the machine ends them all.",
    NoRepair "no-repair" "The cause is known, but no commands that would repair it; the message says what is wrong.",
    ParentUnfit "parent-unfit" "The interface that the network shall hang on is missing, down, without carrier, wireless or a member of a bridge, or the subnet is not on it. Name another with `--parent`, or put right what the message says.",
    ParentTaken "parent-taken" "The interface of the host serves one sandbox alone in this mode (macvlan passthru, host-device, one VLAN), or does not carry this kind of link beside those that stand on it already. The message says who has it. Detach that one first, or choose another interface with `--parent`.",
    PoolExhausted "pool-exhausted" "Every address of the subnet (or of its range) is leased. Detach what is not needed, run `ropewalk gc` for what died, or make the network larger.",
    PortTaken "port-taken" "Somebody else has the host port: another attachment, or a process that listens on it; the message names the holder. Choose another port, or another host address.",
    SandboxDown "sandbox-down" "The container is there but does not run, so it has no network namespace. Start it.",
    SandboxIsHost "sandbox-is-host" "The sandbox is the host itself (as with `docker run --network host`): it has the host's network already, and ropewalk will not wire the host to itself.",
    SandboxUnknown "sandbox-unknown" "There is no such sandbox. `netns:NAME` is a namespace that `ip netns` lists, `pid:N` a running process, `docker:NAME` and `podman:NAME` containers; `new:NAME` makes one.",
    StateForeign "state-foreign" "The state folder belongs to another network namespace. Set ROPEWALK_STATE to a folder of its own for each host or lab host.",
    StateUnusable "state-unusable" "The state folder cannot be used: it is read-only, full, damaged or not a folder. ROPEWALK_STATE names another.",
    SubnetOverlap "subnet-overlap" "Two networks of this host would share addresses. Choose another subnet.",
    SubnetRouted "subnet-routed" "The host already has a route to (part of) the subnet, so its addresses mean something else here. Choose another subnet.",
    Foreign "foreign" "An object that ropewalk needs is there, but was made by somebody else. ropewalk does not touch what it does not own.",
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_a_page() {
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|c| c.page().len() > 40));
        assert!(Code::ALL.iter().all(|c| Code::from_name(c.name()) == Some(*c)));
    }
}
