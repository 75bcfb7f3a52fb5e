//! A client of CRI, the protocol by which kubelets drive containerd: what the tests need of it.
//!
//!     let cri = Cri::at(&engine.socket());
//!     let pod = cri.run_pod(&Pod { name: "web", ports: &[(8080, 80)], rate: Some("8M") });
//!
//! gRPC is HTTP/2 with five bytes before each message; the messages are encoded here, field by field, so
//! that no compiler of protocol buffers is needed.

use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

/// A connection is made for each call.
pub(crate) struct Cri {
    socket: PathBuf,
}

/// A pod as kubelets ask for it.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    pub(crate) name: &'a str,
    /// Ports of the host and of the pod.
    pub(crate) ports: &'a [(u16, u16)],
    /// What it may receive and send, as annotations of Kubernetes say it.
    pub(crate) rate: Option<&'a str>,
    /// The cgroup it is in.
    pub(crate) cgroup: &'a str,
}

/// Fields of a message of protocol buffers.
#[derive(Clone, Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn number(mut self, field: u64, value: u64) -> Self {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, value);
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        varint(&mut self.0, (field << 3) | 2);
        varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    fn message(self, field: u64, value: Self) -> Self {
        self.bytes(field, &value.0)
    }
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return to.push(low);
        }
        to.push(low | 0x80);
    }
}

/// The first field of this number in a message, if it is text or a message.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let key = take(&mut message)?;
        let value = take(&mut message)?;
        if key & 7 == 0 {
            continue;
        }
        let (found, rest) = message.split_at_checked(usize::try_from(value).ok()?)?;
        if key >> 3 == wanted {
            return Some(found);
        }
        message = rest;
    }
    None
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text(message: &[u8], path: &[u64]) -> String {
    let found = path.iter().try_fold(message, |message, number| field(message, *number));
    String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
}

impl Pod<'_> {
    fn config(&self) -> Fields {
        let metadata = Fields::default()
            .text(1, self.name)
            .text(2, &format!("uid-{}", self.name))
            .text(3, "default");
        let mut config = Fields::default().message(1, metadata).text(2, self.name);
        for (host, container) in self.ports {
            let port =
                Fields::default().number(2, u64::from(*container)).number(3, u64::from(*host));
            config = config.message(5, port);
        }
        for way in ["ingress", "egress"] {
            let Some(rate) = self.rate else { break };
            let key = format!("kubernetes.io/{way}-bandwidth");
            config = config.message(7, Fields::default().text(1, &key).text(2, rate));
        }
        config.message(8, Fields::default().text(1, self.cgroup))
    }
}

impl Cri {
    pub(crate) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Starts a pod; its identifier.
    pub(crate) fn run_pod(&self, pod: &Pod) -> String {
        text(&self.call("RunPodSandbox", &Fields::default().message(1, pod.config())), &[1])
    }

    /// The address of a pod.
    pub(crate) fn address(&self, id: &str) -> String {
        text(&self.call("PodSandboxStatus", &Fields::default().text(1, id)), &[1, 5, 1])
    }

    /// Starts a container in a pod.
    pub(crate) fn run(&self, pod: &Pod, id: &str, name: &str, image: &str, script: &str) {
        let config = Fields::default()
            .message(1, Fields::default().text(1, name))
            .message(2, Fields::default().text(1, image))
            .text(3, "/bin/sh")
            .text(4, "-c")
            .text(4, script);
        let asked = Fields::default().text(1, id).message(2, config).message(3, pod.config());
        let container = text(&self.call("CreateContainer", &asked), &[1]);
        self.call("StartContainer", &Fields::default().text(1, &container));
    }

    /// Stops a pod.
    pub(crate) fn stop(&self, id: &str) {
        self.call("StopPodSandbox", &Fields::default().text(1, id));
    }

    /// Removes a pod.
    pub(crate) fn remove(&self, id: &str) {
        self.call("RemovePodSandbox", &Fields::default().text(1, id));
    }

    /// Calls until containerd has started, which it says itself.
    fn call(&self, verb: &str, message: &Fields) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for _ in 0..200 {
                match self.ask(verb, message).await {
                    Ok(answer) => return answer,
                    Err(why) if why.contains("not initialized yet") => {}
                    Err(why) => panic!("{verb}: {why}"),
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            panic!("{verb}: containerd does not start")
        })
    }

    async fn ask(&self, verb: &str, message: &Fields) -> Result<Vec<u8>, String> {
        let stream =
            tokio::net::UnixStream::connect(&self.socket).await.expect("containerd's socket");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("HTTP/2");
        tokio::spawn(connection);
        let mut body = vec![0];
        let length = u32::try_from(message.0.len()).expect("a short message");
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&message.0);
        let request = Request::post(format!("http://localhost/runtime.v1.RuntimeService/{verb}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.expect("all of the answer");
        let trailers = body.trailers().cloned().unwrap_or(headers);
        let said =
            |name| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match said("grpc-status") {
            "0" => Ok(body.to_bytes().get(5..).unwrap_or_default().to_vec()),
            status => Err(format!("status {status}: {}", said("grpc-message"))),
        }
    }
}
