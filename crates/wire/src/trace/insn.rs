//! Instructions of eBPF, put together one by one, with labels for jumps.
//!
//!     code.load(8, R7, R6, 0).jump_if(EQUAL, R7, 0, "end") … .label("end")
//!
//! Documentation/bpf/standardization/instruction-set.rst

use std::collections::BTreeMap;

/// Registers.
pub(super) type Register = u8;
pub(super) const R0: Register = 0;
pub(super) const R1: Register = 1;
pub(super) const R2: Register = 2;
pub(super) const R3: Register = 3;
pub(super) const R4: Register = 4;
pub(super) const R6: Register = 6;
pub(super) const R7: Register = 7;
pub(super) const R8: Register = 8;
pub(super) const R9: Register = 9;
/// Points behind the stack.
const R10: Register = 10;

/// A program in the making.
#[derive(Default)]
pub(super) struct Code {
    /// Operation, registers (source, target), offset, value.
    all: Vec<(u8, u8, i16, i32)>,
    labels: BTreeMap<&'static str, usize>,
    jumps: Vec<(usize, &'static str)>,
}

impl Code {
    fn add(&mut self, op: u8, to: Register, from: Register, off: i16, value: i32) -> &mut Self {
        self.all.push((op, from << 4 | to, off, value));
        self
    }

    /// `to = from`
    pub(super) fn copy(&mut self, to: Register, from: Register) -> &mut Self {
        self.add(0xbf, to, from, 0, 0)
    }

    /// `to = value`
    pub(super) fn set(&mut self, to: Register, value: i32) -> &mut Self {
        self.add(0xb7, to, 0, 0, value)
    }

    /// `to += from`
    pub(super) fn plus(&mut self, to: Register, from: Register) -> &mut Self {
        self.add(0x0f, to, from, 0, 0)
    }

    /// `to = from + value`
    pub(super) fn sum(&mut self, to: Register, from: Register, value: i16) -> &mut Self {
        self.copy(to, from).add(0x07, to, 0, 0, i32::from(value))
    }

    /// `to` = so far into the stack.
    pub(super) fn stack(&mut self, to: Register, at: i16) -> &mut Self {
        self.sum(to, R10, at)
    }

    /// `to = *(from + off)`, so many bytes.
    pub(super) fn load(&mut self, bytes: u8, to: Register, from: Register, off: i16) -> &mut Self {
        self.add(0x61 | width(bytes), to, from, off, 0)
    }

    /// Loads from the stack.
    pub(super) fn fetch(&mut self, bytes: u8, to: Register, at: i16) -> &mut Self {
        self.load(bytes, to, R10, at)
    }

    /// Puts a register into the stack.
    pub(super) fn store(&mut self, bytes: u8, at: i16, from: Register) -> &mut Self {
        self.add(0x63 | width(bytes), R10, from, at, 0)
    }

    /// Puts eight bytes of zero into the stack.
    pub(super) fn zero(&mut self, at: i16) -> &mut Self {
        self.add(0x7a, R10, 0, at, 0)
    }

    /// Jumps when all of a register is the value.
    pub(super) fn if_equal(&mut self, a: Register, value: i32, label: &'static str) -> &mut Self {
        self.jumps.push((self.all.len(), label));
        self.add(0x15, a, 0, 0, value)
    }

    /// As `if_equal`, of the lower half.
    pub(super) fn if_word(&mut self, a: Register, value: u32, label: &'static str) -> &mut Self {
        self.jumps.push((self.all.len(), label));
        self.add(0x16, a, 0, 0, value.cast_signed())
    }

    /// Jumps.
    pub(super) fn jump(&mut self, label: &'static str) -> &mut Self {
        self.jumps.push((self.all.len(), label));
        self.add(0x05, 0, 0, 0, 0)
    }

    /// Where jumps lead.
    pub(super) fn label(&mut self, label: &'static str) -> &mut Self {
        self.labels.insert(label, self.all.len());
        self
    }

    /// Calls a function of the kernel's by its number.
    pub(super) fn call(&mut self, function: i32) -> &mut Self {
        self.add(0x85, 0, 0, 0, function)
    }

    /// `to` = the map behind a file descriptor.
    pub(super) fn map(&mut self, to: Register, fd: i32) -> &mut Self {
        self.add(0x18, to, 1, 0, fd).add(0, 0, 0, 0, 0)
    }

    /// Returns.
    pub(super) fn exit(&mut self) -> &mut Self {
        self.add(0x95, 0, 0, 0, 0)
    }

    /// The instructions, eight bytes each; none when a jump leads nowhere or too far.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let mut all = self.all.clone();
        for (at, label) in &self.jumps {
            let over = self.labels.get(label)?.checked_sub(at + 1)?;
            all.get_mut(*at)?.2 = i16::try_from(over).ok()?;
        }
        let bytes = all.iter().flat_map(|(op, registers, off, value)| {
            let mut one = vec![*op, *registers];
            one.extend(off.to_le_bytes());
            one.extend(value.to_le_bytes());
            one
        });
        Some(bytes.collect())
    }
}

/// The bits that say how many bytes are moved.
fn width(bytes: u8) -> u8 {
    match bytes {
        1 => 0x10,
        2 => 0x08,
        8 => 0x18,
        _ => 0,
    }
}
