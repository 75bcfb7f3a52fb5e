//! ropewalk.
fn main() {}
