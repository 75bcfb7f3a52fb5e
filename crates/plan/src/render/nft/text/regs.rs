//! What the registers hold, in words.

use std::collections::BTreeMap;

use ropewalk_facts::nft::{Bytes, DataType, Reg};

use super::super::value;

/// What one value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Something of the packet.
    Field(String),
    /// The same with some bits.
    Masked {
        /// What it is of.
        text: String,
        /// The bits.
        mask: Vec<u8>,
    },
    /// A constant.
    Given(Vec<u8>),
    /// What a map gives: the words for all its fields.
    Mapped(String),
}

/// A value in a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) what: What,
    pub(super) ty: &'static str,
    /// It is only the beginning of the field.
    pub(super) part: bool,
    /// Registers that it fills.
    units: u8,
    /// Loaded since the last words.
    fresh: bool,
}

fn units(bytes: usize) -> u8 {
    u8::try_from(bytes.div_ceil(4)).unwrap_or(u8::MAX)
}

impl Slot {
    /// A field of the usual length of its type.
    pub(super) fn field(text: String, ty: &'static str) -> Self {
        let len = DataType::named(ty).and_then(|t| usize::try_from(t.len).ok()).unwrap_or(4);
        Self { what: What::Field(text), ty, part: false, units: units(len), fresh: true }
    }

    /// With another length in bytes; `part`: it is only the beginning.
    pub(super) fn of(self, len: u32, part: bool) -> Self {
        Self { units: units(usize::try_from(len).unwrap_or(usize::MAX)), part, ..self }
    }

    pub(super) fn given(data: &Bytes) -> Self {
        let what = What::Given(data.0.clone());
        Self { what, ty: "integer", part: false, units: units(data.0.len()), fresh: true }
    }

    pub(super) fn masked(&self, mask: &Bytes) -> Option<Self> {
        let (text, _) = self.plain()?;
        let what = What::Masked { text: text.to_owned(), mask: mask.0.clone() };
        Some(Self { what, fresh: true, ..self.clone() })
    }

    /// The words and the type of a field as it is.
    pub(super) fn plain(&self) -> Option<(&str, &'static str)> {
        match &self.what {
            What::Field(text) => Some((text, self.ty)),
            What::Masked { .. } | What::Given(_) | What::Mapped(_) => None,
        }
    }

    /// As what something of type `ty` is set to.
    pub(super) fn said(&self, ty: &str) -> Option<String> {
        match &self.what {
            What::Field(text) | What::Mapped(text) => Some(text.clone()),
            What::Given(bytes) => Some(value::one(ty, bytes)),
            What::Masked { .. } => None,
        }
    }
}

/// The registers, by their number in 32-bit units.
#[derive(Default)]
pub(super) struct Regs(BTreeMap<u8, Slot>);

impl Regs {
    pub(super) fn load(&mut self, Reg(at): Reg, slot: Slot) {
        let end = at.saturating_add(slot.units);
        // What overlaps is gone.
        self.0.retain(|begin, old| *begin >= end || begin.saturating_add(old.units) <= at);
        self.0.insert(at, slot);
    }

    /// What a map gives, field by field.
    pub(super) fn load_mapped(&mut self, Reg(mut at): Reg, text: &str, types: &[String]) {
        for name in types {
            let ty = DataType::named(name);
            let slot = Slot::field(String::new(), ty.map_or("integer", |t| t.name));
            let next = at.saturating_add(slot.units);
            self.load(Reg(at), Slot { what: What::Mapped(text.to_owned()), ..slot });
            at = next;
        }
        if types.is_empty() {
            let slot = Slot::field(String::new(), "integer");
            self.load(Reg(at), Slot { what: What::Mapped(text.to_owned()), ..slot });
        }
    }

    pub(super) fn at(&self, Reg(at): Reg) -> Option<&Slot> {
        self.0.get(&at)
    }

    /// Words were said: what is loaded from now on is new.
    pub(super) fn age(&mut self) {
        self.0.values_mut().for_each(|slot| slot.fresh = false);
    }

    /// The key that begins at a register: `fields` of them, or all that are new.
    pub(super) fn key(&self, Reg(mut at): Reg, fields: Option<usize>) -> Option<String> {
        let mut texts = vec![];
        while fields.is_none_or(|n| texts.len() < n) {
            let Some(slot) = self.0.get(&at).filter(|slot| fields.is_some() || slot.fresh) else {
                break;
            };
            texts.push(slot.plain()?.0.to_owned());
            at = at.saturating_add(slot.units);
        }
        let is_whole = fields.map_or(!texts.is_empty(), |n| texts.len() == n);
        is_whole.then(|| texts.join(" . "))
    }

    /// Where a packet is sent: an address, a port, or both, of one map or of constants.
    pub(super) fn target(&self, addr: Option<Reg>, port: Option<Reg>) -> Option<String> {
        let slot = |reg: Option<Reg>| reg.map(|reg| self.at(reg).map(|slot| &slot.what));
        match (slot(addr), slot(port)) {
            (Some(Some(What::Mapped(map))), None | Some(None)) => Some(map.clone()),
            (Some(Some(What::Mapped(map))), Some(Some(What::Mapped(same)))) if map == same => {
                Some(map.clone())
            }
            (Some(Some(What::Given(addr))), None) => Some(value::one(addr_type(addr), addr)),
            (Some(Some(What::Given(addr))), Some(Some(What::Given(port)))) => {
                let ip = value::one(addr_type(addr), addr);
                let ip = if addr.len() == 16 { format!("[{ip}]") } else { ip };
                Some(format!("{ip}:{}", value::one("inet_service", port)))
            }
            (None, Some(Some(What::Given(port)))) => {
                Some(format!(":{}", value::one("inet_service", port)))
            }
            _ => None,
        }
    }
}

fn addr_type(addr: &[u8]) -> &'static str {
    if addr.len() == 16 { "ipv6_addr" } else { "ipv4_addr" }
}
