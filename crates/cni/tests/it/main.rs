//! The protocol, as runtimes speak it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says so")]

use expect_test::expect;
use proptest::prelude::*;
use ropewalk_cni::{Code, Command, Conf, Fault, Outcome, Version, about, outcome, versions};

fn read(text: &str) -> Result<Conf, Fault> {
    Conf::read(text.as_bytes(), "bridge", Command::Add)
}

const CHAINED: &str = r#"{
  "cniVersion": "1.1.0", "name": "web", "type": "portmap",
  "prevResult": {
    "interfaces": [
      {"name": "cni0", "mac": "02:00:00:00:00:01"},
      {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1400, "sandbox": "/run/netns/red"}
    ],
    "ips": [
      {"address": "10.9.0.2/24", "gateway": "10.9.0.1", "interface": 1},
      {"address": "10.9.0.3/24", "interface": 1},
      {"address": "fd00:9::2/64", "gateway": "fd00:9::1", "interface": 1}
    ],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.9.0.1", "mtu": 1300}, {"dst": "::/0"}]
  }
}"#;

fn chained() -> Outcome {
    read(CHAINED).unwrap().previous.unwrap()
}

#[test]
fn the_newest_version_says_everything() {
    expect![[r#"
        {
            "cniVersion": "1.1.0",
            "interfaces": [
                {
                    "mac": "02:00:00:00:00:01",
                    "name": "cni0"
                },
                {
                    "mac": "02:00:00:00:00:02",
                    "mtu": 1400,
                    "name": "eth0",
                    "sandbox": "/run/netns/red"
                }
            ],
            "ips": [
                {
                    "address": "10.9.0.2/24",
                    "gateway": "10.9.0.1",
                    "interface": 1
                },
                {
                    "address": "10.9.0.3/24",
                    "interface": 1
                },
                {
                    "address": "fd00:9::2/64",
                    "gateway": "fd00:9::1",
                    "interface": 1
                }
            ],
            "routes": [
                {
                    "dst": "0.0.0.0/0",
                    "gw": "10.9.0.1",
                    "mtu": 1300
                },
                {
                    "dst": "::/0"
                }
            ]
        }"#]]
    .assert_eq(&outcome(&chained(), Version::V1_1_0).unwrap());
}

#[test]
fn the_oldest_has_one_address_of_each_family() {
    expect![[r#"
        {
            "cniVersion": "0.2.0",
            "dns": {},
            "ip4": {
                "gateway": "10.9.0.1",
                "ip": "10.9.0.2/24",
                "routes": [
                    {
                        "dst": "0.0.0.0/0",
                        "gw": "10.9.0.1"
                    }
                ]
            },
            "ip6": {
                "gateway": "fd00:9::1",
                "ip": "fd00:9::2/64",
                "routes": [
                    {
                        "dst": "::/0"
                    }
                ]
            }
        }"#]]
    .assert_eq(&outcome(&chained(), Version::V0_2_0).unwrap());
    let none = outcome(&Outcome::default(), Version::V0_1_0).unwrap_err();
    assert_eq!(none.msg, "cannot convert: no valid IP addresses");
}

#[test]
fn addresses_said_their_family_before_1_0() {
    let text = outcome(&chained(), Version::V0_4_0).unwrap();
    assert!(text.contains(r#""version": "6""#) && text.contains(r#""dns": {}"#), "{text}");
    assert!(!text.contains("1400"), "{text}");
}

#[test]
fn what_is_written_reads_equal() {
    for version in Version::ALL.into_iter().filter(|version| *version >= Version::V0_3_0) {
        let text = outcome(&chained(), version).unwrap();
        let conf = format!(r#"{{"cniVersion": "{version}", "name": "x", "prevResult": {text}}}"#);
        let again = read(&conf).unwrap().previous.unwrap();
        assert_eq!(outcome(&again, version).unwrap(), text, "{version}");
    }
}

#[test]
fn a_version_that_is_not_spoken_is_refused() {
    let fault = Conf::read(br#"{"cniVersion":"0.3.1","name":"x"}"#, "firewall", Command::Add);
    expect![[r#"config is "0.3.1", plugin supports ["0.4.0" "1.0.0" "1.1.0"]"#]]
        .assert_eq(&fault.unwrap_err().details);
    assert_eq!(read(r#"{"name":"x"}"#).unwrap().version, Version::V0_1_0);
    let gc = Conf::read(br#"{"cniVersion":"1.0.0","name":"x"}"#, "bridge", Command::Gc);
    assert_eq!(gc.unwrap_err().code, Code::Version);
}

#[test]
fn a_name_is_needed_and_plain() {
    for (text, code) in [
        (r#"{"name": ""}"#, Code::Config),
        (r#"{"name": "../x"}"#, Code::Config),
        (r#"{"name": 7}"#, Code::Decode),
        ("[]", Code::Decode),
        (
            r#"{"name": "x", "prevResult": {"ips": [{"address": "?"}]}, "cniVersion": "1.0.0"}"#,
            Code::Decode,
        ),
    ] {
        assert_eq!(read(text).unwrap_err().code, code, "{text}");
    }
}

#[test]
fn gc_is_told_what_to_keep() {
    let text = r#"{"cniVersion":"1.1.0","name":"x",
        "cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"}]}"#;
    let conf = Conf::read(text.as_bytes(), "bridge", Command::Gc).unwrap();
    assert_eq!(conf.valid, [("c1".to_owned(), "eth0".to_owned())]);
}

#[test]
fn a_person_and_a_runtime_may_ask_for_versions() {
    expect![[r#"
        CNI firewall plugin v1.9.1
        CNI protocol versions supported: 0.4.0, 1.0.0, 1.1.0
    "#]]
    .assert_eq(&about("firewall", "1.9.1"));
    expect![[r#"
        {"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}
    "#]]
    .assert_eq(&versions("vrf"));
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Conf::read(&bytes, "bridge", Command::Add);
    }

    #[test]
    fn no_change_of_a_good_input_makes_it_panic(at in 0..CHAINED.len(), byte in any::<u8>()) {
        let mut bytes = CHAINED.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(conf) = Conf::read(&bytes, "bridge", Command::Add) {
            let _ = conf.previous.map(|previous| outcome(&previous, Version::V0_2_0));
        }
    }
}
