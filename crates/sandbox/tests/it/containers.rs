//! Containers of real engines: found by name and by id, refused with the reason when they cannot be.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use ropewalk_sandbox::Engines;
use ropewalk_testnet::Private;
use ropewalk_testnet::engines::Engine;

use crate::{find, number, refusal};

/// Both engines are to be asked here.
fn at(engine: &Engine) -> Engines {
    Engines { docker: Some(engine.host()), podman: Some(engine.host()) }
}

/// What holds for an engine, whose command and word are `name`.
fn finds_and_refuses(name: &str, engine: &Engine) {
    let engines = at(engine);
    let sh = |script: &str| engine.sh(&script.replace("ENGINE", name)).trim().to_owned();
    let run = "ENGINE run --detach --network";

    let id = sh(&format!("{run} none --name web $IMAGE sleep 600"));
    let pid = sh("ENGINE inspect --format '{{.State.Pid}}' web");
    let told = sh(&format!("stat -L --format %i /proc/{pid}/ns/net"));
    for text in [format!("{name}:web"), format!("{name}:{id}"), format!("{name}:{}", &id[..12])] {
        let found = find(&text, &engines).unwrap();
        assert_eq!(number(&found), told, "{text}");
        assert_eq!((found.label, found.pid), (text, pid.parse().ok()));
    }

    sh(&format!("{run} host --name hosted $IMAGE sleep 600"));
    let said = format!("the {name} container hosted shares the network of the host");
    assert_eq!(refusal(&format!("{name}:hosted"), &engines), said);

    sh("ENGINE create --name still --network none $IMAGE true");
    let said = format!("the {name} container still is not running (created)");
    assert_eq!(refusal(&format!("{name}:still"), &engines), said);

    let said = format!("{name} has no container nobody");
    assert_eq!(refusal(&format!("{name}:nobody"), &engines), said);

    // With seventeen ids, two begin with the same one of sixteen digits.
    sh("for i in $(seq 17); do ENGINE create --network none $IMAGE true; done >/dev/null");
    let first = sh("ENGINE ps --all --quiet | cut -c 1 | sort | uniq -d | head -n 1");
    let said = format!("several containers of {name} have an id that begins with {first}");
    assert_eq!(refusal(&format!("{name}:{first}"), &engines), said);

    sh("ENGINE kill web");
    let refused = refusal(&format!("{name}:web"), &engines);
    assert!(
        refused.starts_with(&format!("the {name} container web is not running (")),
        "{refused}"
    );
}

#[test]
fn docker_containers_are_found_and_refused() {
    let net = Private::enter();
    finds_and_refuses("docker", &Engine::docker(&net));
}

#[test]
fn podman_containers_are_found_and_refused() {
    let net = Private::enter();
    finds_and_refuses("podman", &Engine::podman(&net));
}

#[test]
fn an_engine_that_is_not_running_is_named_with_its_socket() {
    let engines = Engines {
        docker: Some("unix:///run/netns/no-engine.sock".to_owned()),
        podman: Some("unix:///run/netns/no-engine.sock".to_owned()),
    };
    for (text, remedy) in
        [("docker:web", "systemctl start docker"), ("podman:web", "podman system service")]
    {
        let refused = find(text, &engines).unwrap_err();
        assert!(
            refused.to_string().contains("does not answer on /run/netns/no-engine.sock"),
            "{refused}"
        );
        assert!(refused.remedy().unwrap().contains(remedy));
        assert!(!refused.is_gone(), "the container may run without its engine");
    }
}
