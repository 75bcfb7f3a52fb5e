//! Attributes: `struct nlattr { len u16, type u16 }`, data, padding to four bytes.
//!
//!     let mut w = Writer::with(&header);            for attr in attrs(body.get(16..)?) {
//!     w.text(IFLA_IFNAME, "eth0");                      if attr.kind == IFLA_IFNAME { attr.text() }
//!     w.nest(IFLA_LINKINFO, |w| w.text(1, "veth"));  }
//!     let body = w.finish()?;
//!
//! Never here: what an attribute means.

use super::message::{aligned, u16_at};
use crate::Error;

/// Length of `struct nlattr`.
const HEADER: usize = 4;
/// Flag in the type: the data is attributes again (`NLA_F_NESTED`).
pub(super) const NESTED: u16 = 0x8000;
/// The bits of the type that are not flags (`NLA_TYPE_MASK`).
const KIND: u16 = 0x3fff;

/// Writes the body of a request: the family's header, then attributes.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    body: Vec<u8>,
    overlong: Option<u16>,
}

/// The place of an attribute begun by [`Writer::open`], to be given to [`Writer::close`].
#[derive(Debug)]
#[must_use = "an attribute that is begun must be closed"]
pub struct Open(usize);

impl Writer {
    /// A body that begins with the bytes of the family's header.
    #[must_use]
    pub fn with(header: &[u8]) -> Self {
        let mut w = Self::default();
        w.raw(header);
        w
    }

    /// Bytes as they are, padded to four: a header within an attribute.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.body.extend(bytes);
        self.body.resize(aligned(self.body.len()), 0);
    }

    /// An attribute of any bytes.
    pub fn bytes(&mut self, kind: u16, data: &[u8]) {
        let at = self.block(kind);
        self.body.extend(data);
        self.close(at);
    }

    /// An attribute whose presence says it all.
    pub fn mark(&mut self, kind: u16) {
        self.bytes(kind, &[]);
    }

    /// One byte.
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    /// A number in the host's byte order.
    pub fn u16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// A number in the host's byte order.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// A signed number in the host's byte order: a file descriptor, an interface index.
    pub fn i32(&mut self, kind: u16, value: i32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// A number in the host's byte order.
    pub fn u64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// A number in network byte order.
    pub fn be16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A number in network byte order.
    pub fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A number in network byte order.
    pub fn be64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Text with a final zero.
    pub fn text(&mut self, kind: u16, text: &str) {
        let at = self.block(kind);
        self.body.extend(text.as_bytes());
        self.body.push(0);
        self.close(at);
    }

    /// An attribute of attributes, those that `inside` writes.
    pub fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let at = self.open(kind);
        inside(self);
        self.close(at);
    }

    /// Begins an attribute of attributes (`NLA_F_NESTED`).
    pub fn open(&mut self, kind: u16) -> Open {
        self.block(kind | NESTED)
    }

    /// Begins an attribute without the mark of nesting: what follows is data of any shape.
    pub fn block(&mut self, kind: u16) -> Open {
        let at = self.body.len();
        self.body.extend([0, 0]);
        self.body.extend(kind.to_ne_bytes());
        Open(at)
    }

    /// Ends the attribute begun at `open`: its length is written, the padding added.
    pub fn close(&mut self, open: Open) {
        let Open(at) = open;
        let len = self.body.len().saturating_sub(at);
        self.body.resize(aligned(self.body.len()), 0);
        let Some(header) = self.body.get_mut(at..).and_then(|b| b.first_chunk_mut::<4>()) else {
            return;
        };
        let [l0, l1, k0, k1] = header;
        match u16::try_from(len) {
            Ok(len) => [*l0, *l1] = len.to_ne_bytes(),
            Err(_) => self.overlong = Some(u16::from_ne_bytes([*k0, *k1]) & KIND),
        }
    }

    /// How many bytes there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// True when nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The body.
    ///
    /// # Errors
    /// [`Error::Overlong`] when an attribute outgrew its length of 16 bits.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        match self.overlong {
            Some(kind) => Err(Error::Overlong { kind }),
            None => Ok(self.body),
        }
    }
}

/// One attribute that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Its type, without flags.
    pub kind: u16,
    /// Its data, without padding.
    pub data: &'a [u8],
}

impl<'a> Attr<'a> {
    /// The data when it has exactly `N` bytes.
    #[must_use]
    pub fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.data.try_into().ok()
    }

    /// One byte.
    #[must_use]
    pub fn u8(&self) -> Option<u8> {
        self.array().map(u8::from_ne_bytes)
    }

    /// A number in the host's byte order.
    #[must_use]
    pub fn u16(&self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    /// A number in the host's byte order.
    #[must_use]
    pub fn u32(&self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    /// A signed number in the host's byte order.
    #[must_use]
    pub fn i32(&self) -> Option<i32> {
        self.array().map(i32::from_ne_bytes)
    }

    /// A number in the host's byte order.
    #[must_use]
    pub fn u64(&self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    /// A number in network byte order.
    #[must_use]
    pub fn be16(&self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A number in network byte order.
    #[must_use]
    pub fn be32(&self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number in network byte order.
    #[must_use]
    pub fn be64(&self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Text up to its final zero, or to the end where there is none.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        let text = self.data.split(|b| *b == 0).next()?;
        std::str::from_utf8(text).ok()
    }

    /// The attributes within.
    #[must_use]
    pub fn attrs(&self) -> Attrs<'a> {
        attrs(self.data)
    }
}

/// The attributes in `bytes`. An attribute that is cut off ends the list, as in the kernel's own
/// parser (`nla_ok`).
#[must_use]
pub fn attrs(bytes: &[u8]) -> Attrs<'_> {
    Attrs { rest: bytes }
}

/// Iterator of [`attrs`].
#[derive(Clone, Debug)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    /// The first attribute of type `kind` among those not yet passed.
    #[must_use]
    pub fn first(mut self, kind: u16) -> Option<Attr<'a>> {
        self.find(|a| a.kind == kind)
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    fn next(&mut self) -> Option<Attr<'a>> {
        let len = usize::from(u16_at(self.rest, 0)?);
        let kind = u16_at(self.rest, 2)? & KIND;
        let data = self.rest.get(HEADER..len)?;
        self.rest = self.rest.get(aligned(len)..).unwrap_or_default();
        Some(Attr { kind, data })
    }
}
