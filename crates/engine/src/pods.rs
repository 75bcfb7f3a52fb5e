//! Sandboxes by what Kubernetes calls them: from a pod, or a container, to its namespace.
//!
//!     default/web · web · pod:default/web · 3f2a91c0… ─▶ netns:cni-5d1c…, as `why` and `capture` name it
//!
//! Runtimes tell these names when they attach (`K8S_POD_NAME`), and the record keeps them.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ropewalk_kernel::{netns, scan};
use ropewalk_spec::SandboxRef;
use ropewalk_store::{AttachmentRecord, Cni};

use crate::code::Code;
use crate::fault::Fault;
use crate::{Engine, Paths};

/// The shortest beginning of a container's id that stands for it, as engines print it.
const SHORT_ID: usize = 12;

/// The namespace of the pod or container that is called `name`, if a runtime has told of one. What
/// is a namespace's own name stays that.
///
/// # Errors
/// [`Code::BadInput`] when several are called so.
pub fn pod(name: &str) -> Result<Option<String>, Fault> {
    let paths = Paths::from_env();
    let bare = name.strip_prefix("pod:");
    let wanted = bare.unwrap_or(name);
    let other = bare.is_none() && (name == "host" || name.contains(':') || netns::exists(name));
    if wanted.is_empty() || other || !paths.state.exists() {
        return Ok(None);
    }
    // Nobody has told of any where there is no state of this host's.
    let Ok(engine) = Engine::open(&paths) else { return Ok(None) };
    let all = engine.store.attachments()?;
    let called = |record: &&AttachmentRecord| record.origin.cni().is_some_and(|c| is(c, wanted));
    let mut refs: Vec<&SandboxRef> = all.iter().filter(called).map(|r| &r.sandbox).collect();
    refs.dedup();
    match refs.as_slice() {
        [] => Ok(None),
        [one] => Ok(space(one)),
        several => {
            let what = format!("{} sandboxes are called {wanted}", several.len());
            Err(Fault::new(Code::BadInput, what)
                .or_try("NAMESPACE/NAME, as `ropewalk ps` shows it"))
        }
    }
}

fn is(cni: &Cni, name: &str) -> bool {
    let of_pod = cni.pod.as_deref().is_some_and(|pod| {
        pod == name || pod.rsplit_once('/').is_some_and(|(_, last)| last == name)
    });
    let id = cni.container == name;
    of_pod || id || (name.len() >= SHORT_ID && cni.container.starts_with(name))
}

/// What a scan calls the namespace of a sandbox.
fn space(sandbox: &SandboxRef) -> Option<String> {
    let SandboxRef::Path(path) = sandbox else { return Some(sandbox.ns().as_str().to_owned()) };
    let wanted = std::fs::metadata(Path::new(path)).ok().map(|m| (m.dev(), m.ino()))?;
    scan::spaces().into_iter().find_map(|found| {
        let meta = File::from(found.fd).metadata().ok()?;
        ((meta.dev(), meta.ino()) == wanted).then(|| found.ns.as_str().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_a_name_in_a_namespace_and_an_id() {
        let (network, pod) = ("web".into(), Some("default/shop".into()));
        let cni = Cni { network, container: "3f2a91c0d5e14b77".into(), pod };
        for name in ["default/shop", "shop", "3f2a91c0d5e14b77", "3f2a91c0d5e1"] {
            assert!(is(&cni, name), "{name}");
        }
        for name in ["default", "other/shop", "3f2a", "sho", "web"] {
            assert!(!is(&cni, name), "{name}");
        }
    }
}
