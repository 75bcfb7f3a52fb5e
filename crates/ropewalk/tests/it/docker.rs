//! The product beside real engines, started for the test.

use ropewalk_testnet::engines::Engine;

use crate::host::{Host, same};
use crate::run::ropewalk_with;

#[test]
fn the_demo_attaches_a_real_container_and_leaves_nothing() {
    let host = Host::new();
    let docker = Engine::docker(&host.net);
    let before = (host.trace(), docker.sh("docker ps -aq; docker images -q"));
    let ran = ropewalk_with("demo", &[("DOCKER_HOST", &docker.host())]);
    assert_eq!(ran.status, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("ropewalk attach docker:ropewalk-demo-"), "{}", ran.out);
    assert!(ran.out.contains("as expected"), "{}", ran.out);
    same(&host.trace(), &before.0, "demo");
    assert_eq!(docker.sh("docker ps -aq; docker images -q"), before.1);
}

#[test]
fn a_container_is_attached_by_name_and_its_port_published() {
    let host = Host::new();
    let docker = Engine::docker(&host.net);
    let vars = [("DOCKER_HOST", docker.host())];
    let vars: Vec<(&str, &str)> = vars.iter().map(|(k, v)| (*k, v.as_str())).collect();
    docker.sh("docker run -d --name web --network none $IMAGE \
               sh -c 'mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www'");
    host.ok("network create lan --subnet 192.168.15.0/24");
    let ran = ropewalk_with("attach docker:web lan --publish 8080:80", &vars);
    assert_eq!(ran.status, Some(0), "{}{}", ran.out, ran.err);
    let page =
        "for n in 1 2 3 4 5; do busybox wget -qO- http://127.0.0.1:8080 && exit; sleep 0.2; done";
    assert_eq!(host.net.sh(page).trim(), "hello");
    let links = host.net.sh("ip link");
    assert!(links.contains("alias web:eth0\n"), "{links}");
    assert!(links.contains("altname ropewalk.docker-web.eth0\n"), "{links}");
    // What is broken in the container is ropewalk's own to put right.
    let pid = docker.sh("docker inspect --format '{{.State.Pid}}' web");
    host.net.sh(&format!("nsenter -t {} -n ip link set eth0 down", pid.trim()));
    let ran = ropewalk_with("why host 192.168.15.2:80 --no-live --json", &vars);
    let said: serde_json::Value = serde_json::from_str(&ran.out).expect("an answer");
    let found = (&said["code"], &said["where"]);
    assert_eq!(found, (&"LINK_DOWN".into(), &"web:eth0".into()), "{said:#}");
    assert_eq!(said["verbs"], serde_json::json!(["ropewalk repair"]), "{said:#}");
    let ran = ropewalk_with("repair", &vars);
    assert_eq!(ran.status, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(host.net.sh(page).trim(), "hello");
    docker.sh("docker rm -f web");
    let ran = ropewalk_with("detach docker:web", &vars);
    assert_eq!(ran.status, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(host.ok("check").trim(), "everything is as it was made");
}

#[test]
fn a_container_of_podman_is_attached_by_name_and_tells_people_so() {
    let host = Host::new();
    let podman = Engine::podman(&host.net);
    let address = podman.host();
    let vars = [("CONTAINER_HOST", address.as_str())];
    podman.sh("podman run -d --name web1 --network none $IMAGE sleep 600");
    host.ok("network create lan --subnet 192.168.15.0/24");
    let ran = ropewalk_with("attach podman:web1 lan --ip 192.168.15.8", &vars);
    assert_eq!(ran.status, Some(0), "{}{}", ran.out, ran.err);
    host.net.sh("ping -c1 -W5 192.168.15.8");
    let links = host.net.sh("ip link");
    assert!(links.contains("alias web1:eth0\n"), "{links}");
    assert!(links.contains("altname ropewalk.podman-web1.eth0\n"), "{links}");
    let ran = ropewalk_with("detach podman:web1", &vars);
    assert_eq!(ran.status, Some(0), "{}{}", ran.out, ran.err);
}
