//! What a rule of arptables asks for: the fields of the header of ARP, as nft would compare them.
//!
//!     -s 10.0.0.1 --opcode Request -i eth0  =  iifname "eth0" arp operation 1 arp saddr ip 10.0.0.1
//!
//! Layout: `struct arpt_entry`, include/uapi/linux/netfilter_arp/arp_tables.h, for 64-bit kernels.
//! What fits: `arp_packet_match` (net/ipv4/netfilter/arp_tables.c), for hardware addresses of six bytes.
//! Never here: changing a table.

use ropewalk_facts::nft::{Bytes, CmpOp, Expr, Payload, Reg};

use super::Layout;

pub(super) const ARP: Layout = Layout {
    hooks: &["INPUT", "OUTPUT", "FORWARD"],
    names: 94,
    flags: 158,
    inverts: 160,
    // It has no flags.
    goto: 0,
    offsets: 164,
    counters: 176,
    len: 192,
};

/// A field: where it is in the packet's header, its length, where value and mask are in the entry,
/// and the bit that inverts it (`ARPT_INV_*`).
struct Field {
    at: u32,
    len: usize,
    value: usize,
    mask: usize,
    invert: usize,
}

const fn field(at: u32, len: usize, value: usize, mask: usize, invert: usize) -> Field {
    Field { at, len, value, mask, invert }
}

const FIELDS: [Field; 8] = [
    field(0, 2, 86, 88, 0x80),
    field(2, 2, 90, 92, 0x100),
    field(4, 1, 16, 17, 0x200),
    field(6, 2, 82, 84, 0x40),
    field(8, 6, 18, 34, 0x10),
    field(14, 4, 0, 8, 4),
    field(18, 6, 50, 66, 0x20),
    field(24, 4, 4, 12, 8),
];

/// The conditions of an entry, but for its interfaces.
pub(super) fn asked(bytes: &[u8], invert: usize) -> Vec<Expr> {
    FIELDS.iter().filter_map(|field| field.asked(bytes, invert)).flatten().collect()
}

impl Field {
    /// Its bits are compared that the mask has; none, and it is not asked for.
    fn asked(&self, bytes: &[u8], invert: usize) -> Option<Vec<Expr>> {
        let of = |at: usize| bytes.get(at..at.checked_add(self.len)?);
        let (value, mask) = (of(self.value)?, of(self.mask)?);
        let inverted = invert & self.invert != 0;
        if !inverted && mask.iter().all(|byte| *byte == 0) {
            return None;
        }
        let reg = Reg(0);
        let what = Payload { base: 1, offset: self.at, len: u32::try_from(self.len).ok()? };
        let mut all = vec![Expr::Payload { what, dreg: reg }];
        if mask.iter().any(|byte| *byte != 0xff) {
            let (mask, xor) = (Bytes(mask.to_vec()), Bytes(vec![0; self.len]));
            all.push(Expr::Bitwise { sreg: reg, dreg: reg, mask, xor });
        }
        let op = if inverted { CmpOp::Neq } else { CmpOp::Eq };
        all.push(Expr::Cmp { sreg: reg, op, data: Bytes(value.to_vec()) });
        Some(all)
    }
}
