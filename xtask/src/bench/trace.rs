//! What a command asks of the kernel, counted by strace where it is installed.
//!
//!     strace -f -o TRACE ropewalk attach …      system calls · processes and threads started

use std::process::{Command, Stdio};

use serde::Serialize;

use crate::Fault;

/// What strace saw of one process.
#[derive(Debug, Serialize)]
pub(crate) struct Calls {
    /// System calls from exec to exit.
    pub(crate) total: usize,
    /// Those that start a process or a thread.
    pub(crate) children: usize,
}

/// Runs the command under strace; nothing where there is no strace.
pub(crate) fn count(command: &Command) -> Result<Option<Calls>, Fault> {
    traced(command, Stdio::null(), Stdio::null())
}

/// As [`count`], with this input and output.
pub(crate) fn count_fed(
    command: &Command,
    input: std::fs::File,
    output: std::fs::File,
) -> Result<Option<Calls>, Fault> {
    traced(command, input.into(), output.into())
}

fn traced(command: &Command, input: Stdio, output: Stdio) -> Result<Option<Calls>, Fault> {
    let path = "/run/ropewalk/trace";
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", path]).arg(command.get_program()).args(command.get_args());
    strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let status = match strace.stdin(input).stdout(output).status() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !status.success() {
        return Err(format!("{command:?} under strace ended with {status}").into());
    }
    Ok(Some(read(&std::fs::read_to_string(path)?)))
}

/// Reads lines like `123 openat(…) = 3`.
fn read(text: &str) -> Calls {
    let names = text.lines().filter_map(|line| {
        let call = line.split_once(' ')?.1.trim_start();
        let (name, _) = call.split_once('(')?;
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
    });
    let names: Vec<&str> = names.collect();
    let starts = |name: &&&str| ["fork", "vfork", "clone", "clone3"].contains(*name);
    Calls { total: names.len(), children: names.iter().filter(starts).count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_children_are_told_from_the_rest() {
        let text = "12 execve(\"/x\", [\"x\"], 0x7 /* 0 vars */) = 0\n12 clone3({flags=0}, 88) = 13\n\
            13 --- SIGCHLD {si_signo=SIGCHLD} ---\n12 exit_group(0) = ?\n12 +++ exited with 0 +++\n";
        let calls = read(text);
        assert_eq!((calls.total, calls.children), (3, 1));
    }
}
