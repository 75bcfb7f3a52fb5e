//! Reading the kernel into facts: a whole namespace, or a few objects.

mod all;
mod keys;
