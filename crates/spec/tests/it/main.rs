//! What spec promises to everyone above: options are checked, files point at what is wrong, pools
//! give each address once.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod endpoint;
mod file;
mod network;
mod pool;

use ropewalk_spec::{Network, RawNetwork};

/// The options of a network, `name` aside, as TOML.
fn options(text: &str) -> RawNetwork {
    let mut raw: RawNetwork = toml::from_str(text).unwrap();
    raw.name = "web".to_owned();
    raw
}

fn network(text: &str) -> Network {
    options(text).check().unwrap()
}
