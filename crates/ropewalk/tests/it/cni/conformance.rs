//! The conformance suite, all of it, against the plugins that the binary is.

use ropewalk_conformance::{Wish, link, run};

/// A folder of links to the binary, gone with the test.
struct Plugins(std::path::PathBuf);

impl Plugins {
    fn link() -> Self {
        let folder = std::env::temp_dir().join(format!("ropewalk-cni-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        let plugins = Self(folder);
        link(env!("CARGO_BIN_EXE_ropewalk").as_ref(), &plugins.0).expect("links");
        plugins
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn every_plugin_keeps_the_contract_and_what_is_promised_beyond() {
    let plugins = Plugins::link();
    // Those that the suite has checks of.
    for name in ["bridge", "host-local", "static"] {
        assert!(plugins.0.join(name).exists(), "{name} does not answer VERSION");
    }
    let report = run(&Wish { plugins: plugins.0.clone(), at_once: 4, ..Wish::default() });
    assert_eq!(report.failing(), [""; 0], "{}", report.failures());
    assert!(report.passed() > 90, "{}", report.summary());
}
