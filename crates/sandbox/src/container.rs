//! What an engine says of a container: does it run, as which process, with a network of its own?
//!
//! Both engines answer with the same few fields here (Docker's API "inspect a container", podman's
//! libpod API "inspect container").  Never here: sockets.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::engine::Engine;
use crate::error::Error;
use crate::http::Client;

/// The fields that are read; the others are skipped.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    state: State,
    host_config: HostConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    status: String,
    /// Podman's is signed.
    pid: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    network_mode: String,
}

/// How both engines report that something is wrong: podman says more in `cause` than it needs to.
#[derive(Deserialize)]
struct Complaint {
    message: String,
}

/// How the engines say that the beginning of an id fits several (docker, podman).
const SEVERAL: [&str; 2] = ["IDs found with provided prefix", "more than one"];

/// Asks for the first process of a container that runs and has a network of its own.
pub(crate) async fn pid(client: &mut Client, engine: Engine, name: &str) -> Result<u32, Error> {
    let (status, body) = client.ask(engine.question(name)?).await?;
    judge(engine, name, status, &body)
}

/// One of the list of containers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    names: Vec<String>,
}

/// Asks for the names of all containers that run, by their ids.
pub(crate) async fn names(
    client: &mut Client,
    engine: Engine,
) -> Result<BTreeMap<String, String>, Error> {
    let (status, body) = client.ask(engine.list()).await?;
    if status != 200 {
        return Err(complaint(engine, String::new(), status, &body));
    }
    listed(engine, &body)
}

fn listed(engine: Engine, body: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    let all: Vec<Listed> = serde_json::from_slice(body).map_err(|source| Error::Answer {
        engine,
        name: String::new(),
        source,
    })?;
    let named = |one: Listed| {
        let name = one.names.into_iter().next()?;
        Some((one.id, name.trim_start_matches('/').to_owned()))
    };
    Ok(all.into_iter().filter_map(named).collect())
}

fn judge(engine: Engine, name: &str, status: u16, body: &[u8]) -> Result<u32, Error> {
    let name = name.to_owned();
    if status != 200 {
        return Err(complaint(engine, name, status, body));
    }
    let found: Container = match serde_json::from_slice(body) {
        Ok(found) => found,
        Err(source) => return Err(Error::Answer { engine, name, source }),
    };
    // Before the state: starting it would not help.
    if found.host_config.network_mode == "host" {
        return Err(Error::HostNetwork { engine, name });
    }
    match u32::try_from(found.state.pid) {
        Ok(pid) if found.state.running && pid > 0 => Ok(pid),
        _ => Err(Error::NotRunning { engine, name, status: found.state.status }),
    }
}

/// What an answer other than 200 means.
fn complaint(engine: Engine, name: String, status: u16, body: &[u8]) -> Error {
    let message = match serde_json::from_slice(body) {
        Ok(Complaint { message }) => message,
        Err(_) => String::from_utf8_lossy(body).chars().take(200).collect(),
    };
    if SEVERAL.iter().any(|words| message.contains(words)) {
        return Error::Several { engine, name };
    }
    match status {
        404 => Error::NoContainer { engine, name },
        status => Error::Refused { engine, name, status, message },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn body(running: bool, pid: &str, mode: &str) -> String {
        format!(
            r#"{{"Id": "a1", "State": {{"Status": "s", "Running": {running}, "Pid": {pid}, "X": []}},
                "HostConfig": {{"NetworkMode": "{mode}"}}, "Mounts": null}}"#
        )
    }

    fn refusal(status: u16, body: &str) -> String {
        judge(Engine::Docker, "web", status, body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn containers_are_listed_with_their_names() {
        let body = br#"[{"Id": "a1", "Names": ["/web"], "X": 1}, {"Id": "b2", "Names": []}]"#;
        let all = listed(Engine::Docker, body).unwrap();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [("a1".to_owned(), "web".to_owned())]);
        assert!(listed(Engine::Docker, b"{}").is_err());
    }

    #[test]
    fn a_running_container_has_a_process() {
        let pid = judge(Engine::Podman, "web", 200, body(true, "812", "none").as_bytes());
        assert_eq!(pid.unwrap(), 812);
    }

    #[test]
    fn a_container_that_does_not_run_is_refused() {
        let said = "the docker container web is not running (s)";
        for (running, pid) in
            [(false, "0"), (false, "812"), (true, "0"), (true, "-1"), (true, "4294967296")]
        {
            assert_eq!(refusal(200, &body(running, pid, "none")), said);
        }
    }

    #[test]
    fn a_container_on_the_hosts_network_is_refused() {
        let said = "the docker container web shares the network of the host";
        assert_eq!(refusal(200, &body(true, "812", "host")), said);
    }

    #[test]
    fn complaints_are_told_apart() {
        assert_eq!(
            refusal(404, r#"{"message": "No such container: web"}"#),
            "docker has no container web"
        );
        assert_eq!(
            refusal(500, r#"{"message": "multiple IDs found with provided prefix: web"}"#),
            "several containers of docker have an id that begins with web"
        );
        assert_eq!(
            refusal(503, "<html>"),
            "the docker engine refuses to tell of web (status 503): <html>"
        );
        assert!(refusal(500, &"x".repeat(100_000)).len() < 300);
    }

    #[test]
    fn other_answers_are_no_answers() {
        let whole = body(true, "812", "none");
        for cut in (0..whole.len()).filter_map(|end| whole.get(..end)) {
            assert!(
                refusal(200, cut)
                    .starts_with("the docker engine's answer about web cannot be read")
            );
        }
        for odd in [
            "[]",
            "{}",
            "null",
            r#"{"State": 1}"#,
            &body(true, "\"x\"", "none"),
            &body(true, "1e99", ""),
        ] {
            assert!(refusal(200, odd).contains("cannot be read"), "{odd}");
        }
    }
}
