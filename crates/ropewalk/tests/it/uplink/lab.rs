//! The lab of the tutorial, played by the binary.

use std::path::Path;

use ropewalk_lab::{Event, Lab, play};

use crate::host::Host;

const LAB: &str = include_str!("../../../../../examples/5-uplink.toml");

#[test]
fn the_lab_of_the_tutorial_shows_what_it_says() {
    let _host = Host::new();
    let lab = Lab::parse("5-uplink", LAB).expect("a lab");
    let mut record = String::new();
    let mut sink = |event: Event| record += &event.to_string();
    let good = play(lab, Path::new(env!("CARGO_BIN_EXE_ropewalk")), true, &mut sink);
    assert!(good.expect("it is played"), "{record}");
    assert!(record.contains("ip link set dev eth0 master rw-office"), "{record}");
}
