//! Command lines that make no sense: what is said, and exit status 2.

use std::fmt::Write as _;

use expect_test::expect;

use crate::run::ropewalk;

/// Each line, and what it says on standard error.
fn refused(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let ran = ropewalk(line);
        assert_eq!(ran.status, Some(2), "ropewalk {line}\n{ran:?}");
        assert_eq!(ran.out, "", "ropewalk {line}");
        let first: Vec<&str> = ran.err.lines().take_while(|line| !line.is_empty()).collect();
        writeln!(text, "$ ropewalk {line}\n{}", first.join("\n")).expect("text grows");
    }
    text
}

#[test]
fn values_that_are_none_are_refused_with_what_was_expected() {
    expect![[r#"
        $ ropewalk attach red web
        error: SANDBOX: "red" is not a sandbox
        try:    write netns:NAME, a path, pid:N, docker:NAME, podman:NAME or new:NAME
                [bad-input]
        $ ropewalk attach netns:../x web
        error: SANDBOX: "../x" is not a usable name: it holds the character '.'
        try:    use a letter or digit, then letters, digits, '_', '.' and '-'
                [bad-input]
        $ ropewalk attach pid:0 web
        error: SANDBOX: "pid:0" is not a sandbox
        try:    write netns:NAME, a path, pid:N, docker:NAME, podman:NAME or new:NAME
                [bad-input]
        $ ropewalk attach netns:red we/b
        error: NETWORK: "we/b" is not a usable name: it holds the character '/'
        try:    use a letter or digit, then letters, digits, '_', '.' and '-'
                [bad-input]
        $ ropewalk attach netns:red a-name-that-is-much-too-long-for-it
        error: NETWORK: "a-name-that-is-much-too-long-for-it" is not a usable name: it is longer than 32 bytes
        try:    use a letter or digit, then letters, digits, '_', '.' and '-'
                [bad-input]
        $ ropewalk attach netns:red web --name a-name-too-long-for-it
        error: --name: "a-name-too-long-for-it" is not a usable name: it is longer than 15 bytes
        try:    use a letter or digit, then letters, digits, '_', '.' and '-'
                [bad-input]
        $ ropewalk attach netns:red web --name "a b"
        error: --name: "a b" is not a usable name: it holds the character ' '
        try:    use a letter or digit, then letters, digits, '_', '.' and '-'
                [bad-input]
        $ ropewalk attach netns:red web --ip 10.0.0
        error: --ip: "10.0.0" is not an address
        try:    write 10.9.0.7 or fd00:9::7
                [bad-input]
        $ ropewalk attach netns:red web --mac 01:00:00:00:00:01
        error: attach netns:red to web: --mac: "01:00:00:00:00:01" is not a unicast hardware address
        try:    write 02:00:00:00:00:01
           or:  ropewalk help attach
                [bad-input]
        $ ropewalk attach netns:red web --mtu big
        error: --mtu: "big" is not an MTU
        try:    write a number of bytes, 68 to 65535
                [bad-input]
        $ ropewalk attach netns:red web --publish 80:80/icmp
        error: --publish: "icmp" is not a protocol
        try:    write tcp, udp or sctp
                [bad-input]
        $ ropewalk attach netns:red web --publish 80-81:80
        error: --publish: 2 and 1 ports cannot be paired
        try:    give as many ports of the host as of the sandbox
                [bad-input]
        $ ropewalk publish netns:red 0:80
        error: PORT: "0" is not a port or a range of ports
        try:    write 80 or 80-90, within 1 to 65535
                [bad-input]
        $ ropewalk publish netns:red
        error: the following required arguments were not provided:
          <PORT>...
        $ ropewalk detach red
        error: SANDBOX: "red" is not a sandbox
        try:    write netns:NAME, a path, pid:N, docker:NAME, podman:NAME or new:NAME
                [bad-input]
        $ ropewalk network create web --mode mesh
        error: invalid value 'mesh' for '--mode <MODE>'
          [possible values: bridge, routed, flat, uplink, macvlan, ipvlan, vlan, host-device, dummy, tap, vxlan]
        $ ropewalk network create ""
        error: NAME: "" is not a usable name: it is empty
        try:    use a letter or digit, then letters, digits, '_', '.' and '-'
                [bad-input]
    "#]].assert_eq(&refused(&[
        "attach red web",
        "attach netns:../x web",
        "attach pid:0 web",
        "attach netns:red we/b",
        "attach netns:red a-name-that-is-much-too-long-for-it",
        "attach netns:red web --name a-name-too-long-for-it",
        "attach netns:red web --name \"a b\"",
        "attach netns:red web --ip 10.0.0",
        "attach netns:red web --mac 01:00:00:00:00:01",
        "attach netns:red web --mtu big",
        "attach netns:red web --publish 80:80/icmp",
        "attach netns:red web --publish 80-81:80",
        "publish netns:red 0:80",
        "publish netns:red",
        "detach red",
        "network create web --mode mesh",
        "network create \"\"",
    ]));
}

#[test]
fn options_that_make_no_sense_together_are_refused_by_name() {
    expect![[r#"
        $ ropewalk network create web
        error: network create web: --subnet: none is given
        try:    give one or more, such as 10.9.0.0/24
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.7/24
        error: network create web: --subnet: 10.9.0.7/24 has host bits set
        try:    write 10.9.0.0/24
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0
        error: network create web: --subnet: "10.9.0.0" is not a subnet
        try:    write 10.9.0.0/24 or fd00:9::/64
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0/24 --subnet 10.9.0.0/16
        error: network create web: --subnet: 10.9.0.0/16 overlaps 10.9.0.0/24 of network web
        try:    choose another subnet, such as one of 10.0.0.0/8 or fd00::/8
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 127.0.0.0/8
        error: network create web: --subnet: 127.0.0.0/8 holds addresses that no sandbox can carry (127.0.0.0/8)
        try:    choose another subnet, such as one of 10.0.0.0/8 or fd00::/8
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0/32
        error: network create web: --subnet: 10.9.0.0/32 has no room for a gateway and a sandbox
        try:    choose a shorter prefix
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0/24 --gateway 10.8.0.1
        error: network create web: --gateway: 10.8.0.1 is in no subnet of the network
        try:    choose from the network's subnets
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0/24 --range 10.9.0.9-10.9.0.3
        error: network create web: --range: the range ends before it begins
        try:    write the lower address first
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0/24 --masquerade maybe
        error: network create web: --masquerade: "maybe" is not a way to masquerade
        try:    write no, yes, or an address of this host
           or:  ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0/24 --internal --masquerade yes
        error: network create web: --masquerade: it has no meaning together with internal
        try:    ropewalk help network create
                [bad-input]
        $ ropewalk network create web --subnet 10.9.0.0/24 --internal --l2
        error: the argument '--internal' cannot be used with '--l2'
        $ ropewalk network create web --subnet fd00:9::/64 --mtu 1000
        error: network create web: --mtu: 1000 is not an MTU: 1280 to 65535 are
        try:    ropewalk help network create
                [bad-input]
        $ ropewalk network create web --mode routed --subnet 10.9.0.0/24 --bridge br0
        error: network create web: --bridge: it has no meaning together with mode routed
        try:    ropewalk help network create
                [bad-input]
        $ ropewalk attach netns:red web --publish 80 --publish 80:81
        error: attach netns:red to web: --publish: 80:81/tcp is published for 80:80/tcp already
        try:    choose another port or address of the host
           or:  ropewalk help attach
                [bad-input]
    "#]].assert_eq(&refused(&[
        "network create web",
        "network create web --subnet 10.9.0.7/24",
        "network create web --subnet 10.9.0.0",
        "network create web --subnet 10.9.0.0/24 --subnet 10.9.0.0/16",
        "network create web --subnet 127.0.0.0/8",
        "network create web --subnet 10.9.0.0/32",
        "network create web --subnet 10.9.0.0/24 --gateway 10.8.0.1",
        "network create web --subnet 10.9.0.0/24 --range 10.9.0.9-10.9.0.3",
        "network create web --subnet 10.9.0.0/24 --masquerade maybe",
        "network create web --subnet 10.9.0.0/24 --internal --masquerade yes",
        "network create web --subnet 10.9.0.0/24 --internal --l2",
        "network create web --subnet fd00:9::/64 --mtu 1000",
        "network create web --mode routed --subnet 10.9.0.0/24 --bridge br0",
        "attach netns:red web --publish 80 --publish 80:81",
    ]));
}

#[test]
fn words_that_are_no_command_are_refused() {
    expect![[r#"
        $ ropewalk attch
        error: unrecognized subcommand 'attch'
        $ ropewalk network
        Make, list, show and remove networks
        $ ropewalk attach
        error: the following required arguments were not provided:
          <SANDBOX>
          <NETWORK>
        $ ropewalk ps --nonsense
        error: unexpected argument '--nonsense' found
        $ ropewalk up
        error: the following required arguments were not provided:
          <FILE>
        $ ropewalk routes
        error: the following required arguments were not provided:
          <NETWORK>
        $ ropewalk completions tcsh
        error: invalid value 'tcsh' for '<SHELL>'
          [possible values: bash, zsh, fish]
        $ ropewalk help nonsense
        error: help: there is no command and no code "nonsense"
        try:    ropewalk help
           or:  ropewalk help codes
                [bad-input]
        $ ropewalk help network nonsense
        error: help: there is no command and no code "network nonsense"
        try:    ropewalk help
           or:  ropewalk help codes
                [bad-input]
    "#]]
    .assert_eq(&refused(&[
        "attch",
        "network",
        "attach",
        "ps --nonsense",
        "up",
        "routes",
        "completions tcsh",
        "help nonsense",
        "help network nonsense",
    ]));
}

#[test]
fn with_json_every_refusal_is_an_object_with_a_code() {
    for line in ["attch", "attach red web", "network create web --subnet x", "help x", "--json"] {
        let ran = ropewalk(&format!("{line} --json"));
        assert_eq!((ran.status, ran.out.as_str()), (Some(2), ""), "{line}");
        let json: serde_json::Value = serde_json::from_str(&ran.err).expect(line);
        assert_eq!(json["error"]["code"], "bad-input", "{line}: {json}");
        assert!(json["error"]["what"].as_str().is_some_and(|what| !what.is_empty()), "{json}");
        assert!(json["error"]["try"].as_array().is_some_and(|list| !list.is_empty()), "{json}");
    }
}

#[test]
fn what_stands_after_two_dashes_is_no_option() {
    let ran = ropewalk("routes -- --json");
    assert_eq!(ran.status, Some(2));
    assert!(ran.err.starts_with("error: NETWORK: \"--json\" is not a usable name"), "{}", ran.err);
}
