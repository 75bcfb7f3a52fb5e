//! Reading the kernel into facts: a whole namespace, or a few objects.

/// How often a namespace that changes is read anew.
const RETRIES: usize = 10;

pub(crate) mod all;
mod keys;
mod nft;
mod seen;
