//! What attachments have among the rules of others: in chains of iptables, in zones of firewalld.
//!
//!     record (in doubt) ─▶ look ─▶ iptables-restore --noflush ─▶ record (a part)        lock: rules
//!     look ─▶ removals by name, over netlink, no program is run                         lock: rules
//!
//! Adding is iptables' own work, since only it knows what its words mean; taking away needs no words.
//! Never here: which chains (`topology::chains`).

use ipnet::IpNet;
use ropewalk_facts::nft::Family;
use ropewalk_facts::{Id, Key, Ns, Snapshot};
use ropewalk_kernel::{Restore, Unwritten, failpoint, firewalld};
use ropewalk_spec::{Chains, Foreign, Lodged};
use ropewalk_store::{AttachmentRecord, Cni};
use ropewalk_topology::chains::{self, Kind, Whose};

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;
use crate::view::Finding;

/// How often what goes is looked for again when somebody else writes meanwhile.
const TRIES: usize = 5;

impl Engine {
    /// Makes what of `all` is not there. What was made before something fails stays: the record
    /// that has it is in doubt.
    pub(crate) fn lodge(&mut self, all: &[Foreign]) -> Result<(), Fault> {
        if all.is_empty() {
            return Ok(());
        }
        let _lock = self.store.rules_lock()?;
        for foreign in all {
            match foreign {
                Foreign::Chains(chains) => self.write_chains(chains)?,
                Foreign::Zone { zone, source } => {
                    failpoint::hit("firewalld source");
                    firewalld::add(zone, &source.to_string()).map_err(|why| by_firewalld(&why))?;
                }
            }
        }
        Ok(())
    }

    fn write_chains(&mut self, chains: &Chains) -> Result<(), Fault> {
        let program = Restore::find(chains.v6).map_err(|why| unwritten(&why))?;
        let found = self.kernel.read_all_rules(&Ns::HOST)?;
        let script = chains::script(chains, &found, program.is_legacy());
        if script.is_empty() {
            return Ok(());
        }
        failpoint::hit("iptables-restore");
        program.write(&script).map_err(|why| unwritten(&why))
    }

    /// Takes what there is of `all` away.
    pub(crate) fn dislodge<'a>(
        &mut self,
        all: impl IntoIterator<Item = &'a Foreign>,
    ) -> Result<(), Fault> {
        let all: Vec<&Foreign> = all.into_iter().collect();
        if all.is_empty() {
            return Ok(());
        }
        let _lock = self.store.rules_lock()?;
        let mut first = Ok(());
        for foreign in all {
            let gone = match foreign {
                Foreign::Chains(chains) => self.remove_chains(chains),
                Foreign::Zone { zone, source } => {
                    failpoint::hit("firewalld source gone");
                    // One that does not run has no sources.
                    firewalld::remove(zone, &source.to_string()).map_err(|why| by_firewalld(&why))
                }
            };
            first = first.and(gone);
        }
        first
    }

    fn remove_chains(&mut self, chains: &Chains) -> Result<(), Fault> {
        let mut left = TRIES;
        loop {
            let found = self.kernel.read_all_rules(&Ns::HOST)?;
            let removals = chains::leaving(&found, chains);
            if removals.is_empty() {
                return Ok(());
            }
            match self.kernel.execute(&removals) {
                Err(failure) if left == 0 => return Err(failure.into()),
                // Somebody else has written meanwhile; a look tells what is left.
                Ok(()) | Err(_) => left = left.saturating_sub(1),
            }
        }
    }

    /// What of a record's is not among the rules of others any more; put back if `repair`.
    pub(crate) fn look_at_lodged(
        &mut self,
        owner: &str,
        lodged: &[Lodged],
        repair: bool,
    ) -> Result<Vec<Finding>, Fault> {
        let mut all = Vec::new();
        for foreign in lodged.iter().flat_map(|lodged| &lodged.all) {
            let Some((object, wanted)) = self.missing(foreign)? else { continue };
            if repair {
                self.lodge(std::slice::from_ref(foreign))?;
            }
            all.push(Finding {
                owner: owner.to_owned(),
                object,
                wanted,
                found: "missing".into(),
                repaired: repair,
                change: None,
            });
        }
        Ok(all)
    }

    /// What is missing of `foreign`: where, and what.
    fn missing(&mut self, foreign: &Foreign) -> Result<Option<(String, String)>, Fault> {
        match foreign {
            Foreign::Chains(chains) => {
                let tool = if chains.v6 { "ip6tables" } else { "iptables" };
                let program = Restore::find(chains.v6).map_err(|why| unwritten(&why))?;
                let found = self.kernel.read_all_rules(&Ns::HOST)?;
                let script = chains::script(chains, &found, program.is_legacy());
                let rules = script.lines().filter(|line| line.starts_with('-'));
                let rules: Vec<&str> = rules.collect();
                let object = format!("{tool} -t {}", chains.table);
                Ok((!script.is_empty()).then(|| (object, rules.join("; "))))
            }
            Foreign::Zone { zone, source } => {
                let there = firewalld::has(zone, &source.to_string());
                let there = there.map_err(|why| by_firewalld(&why))?;
                Ok((!there).then(|| (format!("firewalld zone {zone}"), format!("source {source}"))))
            }
        }
    }

    /// Takes away what is in doubt of a record. True when something was.
    pub(crate) fn unstray(&mut self, record: &mut AttachmentRecord) -> Result<bool, Fault> {
        let stray: Vec<Lodged> = record.stray().cloned().collect();
        self.dislodge(stray.iter().flat_map(|lodged| &lodged.all))?;
        record.lodged.retain(|lodged| !stray.contains(lodged));
        Ok(!stray.is_empty())
    }

    /// Takes away the chains of a container that no record has: another plugin made them.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn dislodge_container(&mut self, cni: &Cni, kinds: &[Kind]) -> Result<(), Fault> {
        let whose = Whose { network: &cni.network, container: &cni.container };
        let names: Vec<String> = kinds.iter().map(|kind| whose.chain(*kind)).collect();
        let mut there = Vec::new();
        for name in &names {
            for v6 in [false, true] {
                if self.has_chain(v6, "nat", name)? {
                    there.push(Foreign::Chains(alone(v6, name)));
                }
            }
        }
        // Another interface of the container may have them.
        let same = |record: &AttachmentRecord| {
            let own = record.origin.cni();
            own.is_some_and(|own| own.network == cni.network && own.container == cni.container)
                && !record.lodged.is_empty()
        };
        if there.is_empty() || self.store.attachments()?.iter().any(same) {
            return Ok(());
        }
        self.dislodge(&there)
    }

    /// The addresses of a container that no record has, by the chain that it is masqueraded in.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn strange_addresses(&mut self, cni: &Cni) -> Result<Vec<IpNet>, Fault> {
        let whose = Whose { network: &cni.network, container: &cni.container };
        let chain = whose.chain(Kind::Masquerade);
        if !(self.has_chain(false, "nat", &chain)? || self.has_chain(true, "nat", &chain)?) {
            return Ok(Vec::new());
        }
        let found = self.kernel.read_all_rules(&Ns::HOST)?;
        Ok(chains::sources(&found, &chain).into_iter().map(IpNet::from).collect())
    }

    /// Takes the sources `addresses` from a zone of firewalld, if that runs.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn leave_zone(&mut self, zone: &str, addresses: &[IpNet]) -> Result<(), Fault> {
        let one = |ip: &IpNet| Foreign::Zone { zone: zone.to_owned(), source: *ip };
        self.dislodge(&addresses.iter().map(one).collect::<Vec<_>>())
    }

    /// True when firewalld is there to be asked.
    #[must_use]
    pub fn firewalld_runs(&self) -> bool {
        firewalld::runs()
    }

    /// Takes away `all`, which no record has, where the chain that it is in is there.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn dislodge_rules(&mut self, all: Vec<Chains>) -> Result<(), Fault> {
        let mut there = Vec::new();
        for chains in all {
            let lines = chains.lines.iter().filter(|line| !line.stays);
            let inside: Vec<String> = lines.map(|line| line.chain.clone()).collect();
            if let Some(chain) = inside.first()
                && self.has_chain(chains.v6, &chains.table, chain)?
            {
                there.push(Foreign::Chains(chains));
            }
        }
        self.dislodge(&there)
    }

    /// True when there is a chain of this name; tables of iptables-legacy are read whole, where
    /// there are any.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn has_chain(&mut self, v6: bool, table: &str, chain: &str) -> Result<bool, Fault> {
        let families = match v6 {
            false => [Family::Ip, Family::Iptables],
            true => [Family::Ip6, Family::Ip6tables],
        };
        let keys = families.map(|family| {
            let table = ropewalk_facts::nft::TableKey::new(family, table);
            Id::Chain(table.chain(chain)).at(Ns::HOST)
        });
        let there = |keys: &[Key], found: &Snapshot| keys.iter().any(|key| found.contains(key));
        let (nft, legacy) = keys.split_at(1);
        if there(nft, &self.kernel.read_keys(nft)?) {
            return Ok(true);
        }
        Ok(self.kernel.legacy(v6) && there(legacy, &self.kernel.read_all_rules(&Ns::HOST)?))
    }

    /// Takes away the chains of the containers of `network` that are not among `valid`.
    pub(crate) fn dislodge_others(&mut self, network: &str, valid: &[&str]) -> Result<(), Fault> {
        let found = self.kernel.read_all_rules(&Ns::HOST)?;
        let mut all = Vec::new();
        for container in chains::containers(&found, network) {
            if !valid.contains(&container.as_str()) {
                let whose = Whose { network, container: &container };
                let names = Kind::ALL.map(|kind| whose.chain(kind));
                let both = |name: &String| [false, true].map(|v6| alone(v6, name));
                let own = whose.chain(Kind::Masquerade);
                let addresses = chains::sources(&found, &own).into_iter().map(IpNet::from);
                let let_through = chains::firewall(&addresses.collect::<Vec<_>>(), chains::ADMIN);
                all.extend(let_through.into_iter().map(Foreign::Chains));
                all.extend(names.iter().flat_map(both).map(Foreign::Chains));
            }
        }
        self.dislodge(&all)
    }
}

/// True when what is in chains of iptables looks well in a dump of the host, as far as that has them:
/// iptables-legacy's own tables are in it but for `filter`. Zones are not looked at.
pub(crate) fn holds(lodged: &[Lodged], found: &Snapshot) -> bool {
    lodged.iter().flat_map(|lodged| &lodged.all).all(|foreign| match foreign {
        Foreign::Chains(chains) => Restore::find(chains.v6).map_or(true, |program| {
            let legacy = program.is_legacy();
            (legacy && chains.table != "filter") || chains::script(chains, found, legacy).is_empty()
        }),
        Foreign::Zone { .. } => true,
    })
}

/// The chain of a container, and whatever leads to it.
fn alone(v6: bool, name: &str) -> Chains {
    let own = ropewalk_spec::Own { chain: name.to_owned(), rules: Vec::new() };
    let (common, lines) = (Vec::new(), Vec::new());
    Chains { v6, table: "nat".into(), common, own: Some(own), lines }
}

fn unwritten(why: &Unwritten) -> Fault {
    let fault = Fault::new(Code::Kernel, why.to_string());
    match why {
        Unwritten::Missing(_) => {
            fault.or_try("install iptables, or use the backend nftables, which needs no program")
        }
        Unwritten::Refused { said, .. } => fault.kernel(said.clone()),
    }
}

fn by_firewalld(why: &firewalld::Error) -> Fault {
    let fault = Fault::new(Code::Kernel, "firewalld did not do it").kernel(why.to_string());
    fault.or_try("systemctl status firewalld, or another backend of the plugin firewall")
}
