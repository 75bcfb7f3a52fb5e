//! Endpoints: alone, on their network, beside each other.

use expect_test::expect;
use ropewalk_spec::{Endpoint, Publish, RawEndpoint, SpecError};

use crate::network;

fn read(text: &str) -> Result<Endpoint, SpecError> {
    let text = format!("sandbox = 'netns:red'\nnetwork = 'web'\n{text}");
    toml::from_str::<RawEndpoint>(&text).unwrap().check()
}

#[test]
fn every_option_is_read_and_written_back() {
    let endpoint = read(
        "name = 'eth7'\nip = ['10.9.0.7', 'fd00:9::7']\nmac = '02:00:00:00:00:07'
         mtu = 1400\npublish = ['8080:80', '53:53/udp']\ndefault_route = false",
    )
    .unwrap();
    assert_eq!(endpoint.publish[1], "53:53/udp".parse::<Publish>().unwrap());
    let raw = RawEndpoint::from(endpoint.clone());
    assert_eq!(raw.check(), Ok(endpoint.clone()));
    let json = serde_json::to_string(&endpoint).unwrap();
    assert_eq!(serde_json::from_str::<Endpoint>(&json).unwrap(), endpoint);
}

#[test]
fn what_cannot_be_is_refused() {
    let refusals: String = [
        "name = 'a-name-that-is-long'",
        "ip = '10.9.0.300'",
        "mac = '01:00:5e:00:00:01'",
        "mac = '2:0'",
        "mtu = 67",
        "ip = 'fd00::1'\nmtu = 1279",
        "publish = ['8080:80', '8080:81']",
        "publish = '8080:80/icmp'",
    ]
    .iter()
    .map(|text| format!("{}\n", read(text).unwrap_err()))
    .collect();
    expect![[r#"
        attachment of netns:red to web: name: "a-name-that-is-long" is not a usable name: it is longer than 15 bytes
        attachment of netns:red to web: ip: "10.9.0.300" is not an address
        attachment of netns:red to web: mac: "01:00:5e:00:00:01" is not a unicast hardware address
        attachment of netns:red to web: mac: "2:0" is not a unicast hardware address
        attachment of netns:red to web: mtu: 67 is not an MTU: 68 to 65535 are
        attachment of netns:red to web: mtu: 1279 is not an MTU: 1280 to 65535 are
        attachment of netns:red to web: publish: 8080:81/tcp is published for 8080:80/tcp already
        attachment of netns:red to web: publish: "icmp" is not a protocol
    "#]].assert_eq(&refusals);
}

#[test]
fn an_endpoint_fits_its_network_or_is_refused() {
    let web = network("subnet = ['10.9.0.0/24', 'fd00:9::/64']\nrange = '10.9.0.100-10.9.0.199'");
    let fits = |text: &str| read(text).unwrap().fits(&web);
    assert_eq!(fits("ip = ['10.9.0.7', 'fd00:9::7']"), Ok(()), "outside the range, on request");
    let refusals: String = [
        "ip = '10.8.0.7'",
        "ip = ['10.9.0.7', '10.9.0.8']",
        "ip = '10.9.0.1'",
        "ip = '10.9.0.0'",
        "ip = '10.9.0.255'",
        "mtu = 1000",
    ]
    .iter()
    .map(|text| format!("{}\n", fits(text).unwrap_err()))
    .collect();
    expect![[r#"
        attachment of netns:red to web: ip: 10.8.0.7 is in no subnet of the network
        attachment of netns:red to web: ip: 10.9.0.0/24 already has one
        attachment of netns:red to web: ip: 10.9.0.1 is the gateway of 10.9.0.0/24
        attachment of netns:red to web: ip: 10.9.0.0 names the subnet 10.9.0.0/24 itself
        attachment of netns:red to web: ip: 10.9.0.255 is the broadcast address of 10.9.0.0/24
        attachment of netns:red to web: mtu: 1000 is not an MTU: 1280 to 65535 are
    "#]]
    .assert_eq(&refusals);
    let l2 = network("l2 = true");
    assert!(read("publish = '80'").unwrap().fits(&l2).is_err());
    assert!(read("default_route = true").unwrap().fits(&l2).is_err());
    assert!(read("mtu = 1000").unwrap().fits(&l2).is_ok());
}

#[test]
fn endpoints_do_not_take_each_others_things() {
    let beside = |a: &str, b: &str| read(a).unwrap().beside(&read(b).unwrap());
    assert!(beside("name = 'eth0'", "name = 'eth1'").is_ok());
    for (a, b, field) in [
        ("name = 'eth0'", "name = 'eth0'", "name"),
        ("name = 'eth0'", "", "network"),
        ("", "", "network"),
        ("name = 'a'\nip = '10.9.0.7'", "name = 'b'\nip = '10.9.0.7'", "ip"),
        ("name = 'a'\npublish = '80:1'", "name = 'b'\npublish = '80:2'", "publish"),
    ] {
        assert_eq!(beside(a, b).unwrap_err().field, field, "{a} / {b}");
    }
}

#[test]
fn an_address_may_be_asked_of_a_server_that_lends() {
    let lan = network("mode = 'flat'\ndhcp = true");
    let fits =
        |ip: &str| read(&format!("ip = {ip}")).unwrap().fits(&lan).map_err(|error| error.index);
    assert_eq!((fits("'10.0.0.9'"), fits("[]")), (Ok(()), Ok(())));
    assert_eq!(fits("['10.0.0.9', '10.0.0.10']"), Err(1));
    for ip in ["'0.0.0.0'", "'127.0.0.1'", "'224.0.0.1'", "'255.255.255.255'", "'fd00::9'"] {
        assert_eq!(fits(ip), Err(0), "{ip}");
    }
}
