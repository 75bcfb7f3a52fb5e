//! `ropewalk install cni` and `uninstall cni`.

use ropewalk_cni::{Installed, Unusable};
use ropewalk_engine::{Code, Fault, need_root};

use crate::answer::Answer;
use crate::table::Install;

/// Makes the binary all plugins of a folder.
pub(crate) fn install(args: &Install, json: bool) -> Result<Answer, Fault> {
    need_root()?;
    let done = ropewalk_cni::install(&args.dir).map_err(unusable)?;
    Answer::of(json, &done, |done| told(done, "installed", "saved"))
}

/// Gives a folder of plugins back as it was.
pub(crate) fn uninstall(args: &Install, json: bool) -> Result<Answer, Fault> {
    need_root()?;
    let done = ropewalk_cni::uninstall(&args.dir).map_err(unusable)?;
    Answer::of(json, &done, |done| told(done, "removed", "given back"))
}

fn told(done: &Installed, verb: &str, kept: &str) -> String {
    let dir = done.dir.display();
    let list = if done.plugins.is_empty() { "nothing".into() } else { done.plugins.join(" ") };
    let mut text = format!("{verb} in {dir}: {list}\n");
    if !done.kept.is_empty() {
        text.push_str(&format!("{kept}: {}\n", done.kept.join(" ")));
    }
    text
}

fn unusable(Unusable { path, why }: Unusable) -> Fault {
    Fault::new(Code::BadFile, format!("cannot use {}", path.display())).kernel(why.to_string())
}
