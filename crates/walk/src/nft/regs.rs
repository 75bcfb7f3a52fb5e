//! The registers: sixteen units of four bytes, each known or not.

use ropewalk_facts::nft::Reg;

/// What the registers hold. What was never written is zero.
#[derive(Clone, Debug)]
pub(super) struct Regs([Option<[u8; 4]>; 16]);

impl Default for Regs {
    fn default() -> Self {
        Self([Some([0; 4]); 16])
    }
}

impl Regs {
    /// Writes bytes, padded with zeros to whole units.
    pub(super) fn put(&mut self, at: Reg, bytes: &[u8]) {
        for (unit, chunk) in self.0.iter_mut().skip(usize::from(at.0)).zip(bytes.chunks(4)) {
            let mut four = [0; 4];
            four.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            *unit = Some(four);
        }
    }

    /// Makes `len` bytes unknown.
    pub(super) fn forget(&mut self, at: Reg, len: usize) {
        let units = len.div_ceil(4).max(1);
        self.0.iter_mut().skip(usize::from(at.0)).take(units).for_each(|unit| *unit = None);
    }

    /// Makes everything unknown.
    pub(super) fn forget_all(&mut self) {
        self.0 = [None; 16];
    }

    /// `len` bytes, when all of them are known.
    #[must_use]
    pub(super) fn bytes(&self, at: Reg, len: usize) -> Option<Vec<u8>> {
        let units = self.0.iter().skip(usize::from(at.0)).take(len.div_ceil(4));
        let mut all = Vec::with_capacity(len + 3);
        for unit in units {
            all.extend((*unit)?);
        }
        (all.len() >= len).then(|| {
            all.truncate(len);
            all
        })
    }
}
