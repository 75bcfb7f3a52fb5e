//! A rule in the language of nft(8), from the instructions that the kernel runs.
//!
//!     payload 4 bytes at network header + 12 → reg 1     reg 1 is "ip saddr"
//!     lookup reg 1 in @masq4                             says "ip saddr @masq4"
//!     masq                                               says "masquerade"
//!
//! Follows what each register holds. That a packet is IPv4, or TCP, is said only where the next
//! words do not say so themselves (`ip saddr`, `tcp dport`).

mod regs;
mod words;

use ropewalk_facts::nft::{CmpOp, Expr, Family, NatKind, Payload, Reg, Set};

use super::value;
use regs::{Regs, Slot, What};
use words::{Version, header};

/// `ARPHRD_ETHER`.
const ETHER: u16 = 1;

/// What was said of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The words. What has none is named between `/*` and `*/`.
    pub text: String,
    /// Nothing was left out: nft makes the same rule of these words.
    pub whole: bool,
}

/// What `exprs` do, in a table of `family`; `set` knows the sets of that table by name.
#[must_use]
pub fn rule_text<'a>(
    family: Family,
    exprs: &[Expr],
    set: &dyn Fn(&str) -> Option<&'a Set>,
) -> Said {
    let mut teller = Teller {
        family,
        set,
        version: Version::of_family(family),
        proto: None,
        regs: Regs::default(),
        held: vec![],
        words: vec![],
        whole: true,
    };
    let mut rest = exprs;
    while let Some((expr, after)) = rest.split_first() {
        let taken = teller.range_of_two(expr, after.first());
        if !taken && teller.expr(expr).is_none() {
            teller.unknown(expr);
        }
        rest = after.get(usize::from(taken)..).unwrap_or_default();
    }
    teller.release();
    Said { text: teller.words.join(" "), whole: teller.whole }
}

/// What a condition that is not said yet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Link,
    Version,
    Transport,
}

struct Teller<'s, 'a> {
    family: Family,
    set: &'s dyn Fn(&str) -> Option<&'a Set>,
    version: Option<Version>,
    proto: Option<u8>,
    regs: Regs,
    /// Conditions that the next words may imply.
    held: Vec<(Topic, String)>,
    words: Vec<String>,
    whole: bool,
}

impl Teller<'_, '_> {
    /// Says the conditions that are held.
    fn release(&mut self) {
        self.words.extend(self.held.drain(..).map(|(_, text)| text));
    }

    fn say(&mut self, text: String) -> Option<()> {
        self.release();
        self.words.push(text);
        self.regs.age();
        Some(())
    }

    fn unknown(&mut self, expr: &Expr) {
        let name = if let Expr::Opaque { name, .. } | Expr::Xt { name, .. } = expr {
            name.clone()
        } else {
            format!("{expr:?}")
        };
        self.release();
        self.words.push(format!("/* {} */", name.replace("*/", "")));
        self.whole = false;
    }

    /// Nothing is said for what loads a register; none where there are no words.
    fn expr(&mut self, expr: &Expr) -> Option<()> {
        if let Some((reg, slot)) = self.slot(expr) {
            self.regs.load(reg, slot);
            return Some(());
        }
        match expr {
            // nft says nothing of the order of one byte.
            Expr::Byteorder { sreg, dreg, len: 1, .. } if sreg == dreg => Some(()),
            Expr::Cmp { sreg, op, data } => self.compare(*sreg, *op, &data.0),
            Expr::Range { sreg, invert, from, to } => {
                let (text, ty) = self.regs.at(*sreg)?.plain()?;
                let not = if *invert { "!= " } else { "" };
                self.say(format!("{text} {not}{}", value::range(ty, &from.0, &to.0)))
            }
            Expr::Lookup { set, sreg, dreg, map, invert } => {
                self.lookup(set, *sreg, dreg.filter(|_| *map), (*map, *invert))
            }
            Expr::MetaSet { key, sreg } => {
                let (name, ty) = words::meta(*key);
                let given = self.regs.at(*sreg)?.said(ty)?;
                self.say(format!("meta {} set {given}", name.trim_start_matches("meta ")))
            }
            Expr::CtSet { key, sreg } => {
                let (name, ty) = words::ct(*key, None)?;
                let given = self.regs.at(*sreg)?.said(ty)?;
                self.say(format!("{name} set {given}"))
            }
            Expr::Verdict(verdict) => self.say(value::verdict(verdict)?),
            Expr::Nat { kind, family, addr, proto, flags } => {
                let target = self.regs.target(*addr, *proto)?;
                let verb = self.nat(*kind, *family);
                self.say(format!("{verb} to {target}{}", words::nat_flags(*flags)?))
            }
            Expr::Masq { flags, proto } => self.with_port("masquerade", *proto, *flags),
            Expr::Redir { flags, proto } => self.with_port("redirect", *proto, *flags),
            Expr::Counter { .. } => self.say("counter".to_owned()),
            Expr::Reject { kind, code } => self.say(words::reject(*kind, *code, self.version)?),
            Expr::Notrack => self.say("notrack".to_owned()),
            Expr::Limit { .. } | Expr::Connlimit { .. } => self.say(words::stateful(expr)?),
            Expr::Dynset { set, sreg, update, with } => {
                let text = self.dynset(set, *sreg, *update, with.as_deref())?;
                self.say(text)
            }
            Expr::Rt { .. }
            | Expr::Meta { .. }
            | Expr::Payload { .. }
            | Expr::Ct { .. }
            | Expr::Fib { .. }
            | Expr::Immediate { .. }
            | Expr::Bitwise { .. }
            | Expr::Byteorder { .. }
            | Expr::Xt { .. }
            | Expr::Opaque { .. } => None,
        }
    }

    /// The register that is loaded, and with what; none for what loads none, or has no words.
    fn slot(&mut self, expr: &Expr) -> Option<(Reg, Slot)> {
        let ((text, ty), dreg) = match expr {
            Expr::Meta { key, dreg } => (words::meta(*key), dreg),
            Expr::Ct { key, dir, dreg } => (words::ct(*key, *dir)?, dreg),
            Expr::Fib { flags, result, dreg } => (words::fib(*flags, *result)?, dreg),
            Expr::Rt { key, dreg } => (words::rt(*key)?, dreg),
            Expr::Payload { what, dreg } => return Some((*dreg, self.payload(what))),
            Expr::Immediate { dreg, data } => return Some((*dreg, Slot::given(data))),
            Expr::Bitwise { sreg, dreg, mask, xor } => {
                let plain = xor.0.iter().all(|byte| *byte == 0);
                let masked = self.regs.at(*sreg)?.masked(mask).filter(|_| plain)?;
                return Some((*dreg, masked));
            }
            Expr::MetaSet { .. }
            | Expr::CtSet { .. }
            | Expr::Cmp { .. }
            | Expr::Range { .. }
            | Expr::Byteorder { .. }
            | Expr::Lookup { .. }
            | Expr::Verdict(_)
            | Expr::Nat { .. }
            | Expr::Masq { .. }
            | Expr::Redir { .. }
            | Expr::Counter { .. }
            | Expr::Reject { .. }
            | Expr::Notrack
            | Expr::Limit { .. }
            | Expr::Connlimit { .. }
            | Expr::Dynset { .. }
            | Expr::Xt { .. }
            | Expr::Opaque { .. } => return None,
        };
        Some((*dreg, Slot::field(text, ty)))
    }

    /// Its name may say what is held.
    fn payload(&mut self, what: &Payload) -> Slot {
        let header = header(what, self.version, self.proto);
        self.held.retain(|(topic, _)| match topic {
            Topic::Link => what.base != 0,
            Topic::Version => !header.of_ip,
            Topic::Transport => !header.of_transport,
        });
        let (text, ty) = header.name;
        Slot::field(text, ty).of(what.len, header.part)
    }

    fn compare(&mut self, sreg: Reg, op: CmpOp, data: &[u8]) -> Option<()> {
        let slot = self.regs.at(sreg)?;
        if let What::Masked { text, mask } = &slot.what {
            let text = masked(text, slot.ty, mask, op, data);
            return self.say(text);
        }
        let (name, ty) = slot.plain()?;
        if slot.part {
            let text = beginning(name, ty, op, data)?;
            return self.say(text);
        }
        if let Some(text) = ports(self.proto, name, op, data) {
            self.held.retain(|(topic, _)| *topic != Topic::Transport);
            return self.say(text);
        }
        let text =
            format!("{name} {}{}", sign(op, value::bits(ty).is_some()), value::one(ty, data));
        let topic = match name {
            _ if op != CmpOp::Eq => None,
            // What nft asks before it looks into a frame.
            "iiftype" if self.family == Family::Inet && data == ETHER.to_ne_bytes() => {
                Some(Topic::Link)
            }
            "meta nfproto" => Version::of_number(data).map(|_| Topic::Version),
            // What nft itself asks before it looks into a packet on a bridge: the one before
            // addresses, the other before ICMP and ARP.
            "meta protocol" | "ether type" if self.family == Family::Bridge => {
                Version::of_protocol(data).map(|_| Topic::Version)
            }
            "meta l4proto" => Some(Topic::Transport),
            _ => None,
        };
        match topic {
            Some(Topic::Version) => {
                self.version = Version::of_number(data).or_else(|| Version::of_protocol(data));
            }
            Some(Topic::Link) => {}
            Some(Topic::Transport) => self.proto = data.first().copied(),
            None => return self.say(text),
        }
        self.held.extend(topic.map(|topic| (topic, text)));
        self.regs.age();
        Some(())
    }

    /// nft writes a range as two comparisons.
    fn range_of_two(&mut self, one: &Expr, two: Option<&Expr>) -> bool {
        let (
            Expr::Cmp { sreg, op: CmpOp::Gte, data: from },
            Some(Expr::Cmp { sreg: second, op: CmpOp::Lte, data: to }),
        ) = (one, two)
        else {
            return false;
        };
        let Some((text, ty)) = self.regs.at(*sreg).and_then(|slot| slot.plain()) else {
            return false;
        };
        let text = format!("{text} {}", value::range(ty, &from.0, &to.0));
        sreg == second && self.say(text).is_some()
    }

    fn lookup(
        &mut self,
        name: &str,
        sreg: Reg,
        dreg: Option<Reg>,
        (map, invert): (bool, bool),
    ) -> Option<()> {
        let set = (self.set)(name);
        let key = self.regs.key(sreg, set.map(|set| set.key_types.len()))?;
        // An anonymous set has no name that nft takes.
        self.whole &= !name.starts_with("__");
        match dreg {
            None if map => self.say(format!("{key} vmap @{name}")),
            None if invert => self.say(format!("{key} != @{name}")),
            None => self.say(format!("{key} @{name}")),
            Some(dreg) => {
                let types = set.map(|set| set.value_types.as_slice()).unwrap_or_default();
                self.regs.load_mapped(dreg, &format!("{key} map @{name}"), types);
                Some(())
            }
        }
    }

    /// `add @conns { ip saddr ct count over 9 }`.
    fn dynset(&self, name: &str, sreg: Reg, update: bool, with: Option<&Expr>) -> Option<String> {
        let set = (self.set)(name);
        let key = self.regs.key(sreg, set.map(|set| set.key_types.len()))?;
        let verb = if update { "update" } else { "add" };
        let with = with.map(|expr| words::stateful(expr).map(|text| format!(" {text}")));
        let with = with.map_or(Some(String::new()), |text| text)?;
        Some(format!("{verb} @{name} {{ {key}{with} }}"))
    }

    /// `dnat ip`; the family goes without saying where it is that of the table.
    fn nat(&self, kind: NatKind, family: Family) -> String {
        let verb = match kind {
            NatKind::Snat => "snat",
            NatKind::Dnat => "dnat",
        };
        if self.family == family { verb.to_owned() } else { format!("{verb} {}", family.name()) }
    }

    fn with_port(&mut self, verb: &str, proto: Option<Reg>, flags: u32) -> Option<()> {
        let port = match proto {
            Some(_) => format!(" to {}", self.regs.target(None, proto)?),
            None => String::new(),
        };
        self.say(format!("{verb}{port}{}", words::nat_flags(flags)?))
    }
}

/// nft loads both ports at once: `udp sport 68 udp dport 67`.
fn ports(proto: Option<u8>, name: &str, op: CmpOp, data: &[u8]) -> Option<String> {
    let &[a, b, c, d] = data else { return None };
    let proto = match proto {
        Some(6) => "tcp",
        Some(17) => "udp",
        _ => return None,
    };
    let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let both = name == "@th,0,32" && op == CmpOp::Eq;
    both.then(|| format!("{proto} sport {from} {proto} dport {to}"))
}

/// The sign before a value. Equality goes without saying, but for a set of flags, where it would
/// mean any of them.
fn sign(op: CmpOp, is_flags: bool) -> &'static str {
    match op {
        CmpOp::Eq if is_flags => "== ",
        CmpOp::Eq => "",
        CmpOp::Neq => "!= ",
        CmpOp::Lt => "< ",
        CmpOp::Lte => "<= ",
        CmpOp::Gt => "> ",
        CmpOp::Gte => ">= ",
    }
}

/// `ip daddr 127.0.0.0/8`, compared in its first byte alone.
fn beginning(name: &str, ty: &str, op: CmpOp, data: &[u8]) -> Option<String> {
    let full = if ty == "ipv6_addr" { 16 } else { 4 };
    let mut first = data.to_vec();
    first.resize(full, 0);
    let is_sign = matches!(op, CmpOp::Eq | CmpOp::Neq) && ty.starts_with("ipv");
    is_sign
        .then(|| format!("{name} {}{}/{}", sign(op, false), value::one(ty, &first), data.len() * 8))
}

/// `ct status dnat`, `ip saddr 10.0.0.0/9`, `meta mark & 0x000000ff == 0x00000001`.
fn masked(name: &str, ty: &str, mask: &[u8], op: CmpOp, data: &[u8]) -> String {
    let is_zero = data.iter().all(|byte| *byte == 0);
    if let (CmpOp::Neq, true, Some(flags)) = (op, is_zero, value::flags(ty, mask)) {
        return format!("{name} {flags}");
    }
    let zero = vec![0; mask.len()];
    let inverse: Vec<u8> = mask.iter().map(|byte| !byte).collect();
    let prefix = value::prefix(&zero, &inverse).filter(|_| ty.starts_with("ipv"));
    let short = prefix.filter(|_| matches!(op, CmpOp::Eq | CmpOp::Neq));
    if let Some(len) = short {
        return format!("{name} {}{}/{len}", sign(op, false), value::one(ty, data));
    }
    let (mask, data) = (value::one(ty, mask), value::one(ty, data));
    let mask = if mask.contains(',') { format!("({})", mask.replace(',', " | ")) } else { mask };
    format!("{name} & {mask} {}{data}", sign(op, true))
}
