//! The README's first five minutes, run as they stand there: what it shows is what happens.
//!
//!     UPDATE_EXPECT=1 cargo nextest run -p ropewalk readme     writes what happens into the README

use std::path::Path;

use expect_test::expect_file;

use crate::host::{Host, same};

#[test]
fn the_first_five_minutes_go_as_the_readme_says() {
    let host = Host::new();
    let binary = Path::new(env!("CARGO_BIN_EXE_ropewalk"));
    let folder = binary.parent().expect("a folder").display();
    host.net.sh("mkdir /run/ropewalk/work
        ip link add eth0 type veth peer name switch; ip link set switch up
        ip addr add 192.168.2.10/24 dev eth0; ip link set eth0 up
        ip route add default via 192.168.2.1");
    let before = host.trace();
    let readme = include_str!("../../../../README.md");
    let run = |command: &str| {
        let script = format!("cd /run/ropewalk/work; PATH={folder}:$PATH; {command}");
        host.net.try_sh(&script).1
    };
    let text = replay(readme, &run);
    expect_file!["../../../../README.md"].assert_eq(&text);
    same(&host.trace(), &before, "in all");
}

/// The text with the outputs of its commands as they are.
fn replay(text: &str, run: &impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut blocks = text.split("```");
    out += blocks.next().unwrap_or_default();
    let mut inside = true;
    for block in blocks {
        out += "```";
        out += &match (inside, block.split_once('\n')) {
            (true, Some(("console", session))) => format!("console\n{}", session_of(session, run)),
            (true, Some(("toml", file))) => {
                run(&format!("cat > lan.toml <<'EOF'\n{file}EOF"));
                block.to_owned()
            }
            _ => block.to_owned(),
        };
        inside = !inside;
    }
    out
}

/// A session: commands after `# `, each followed by what it prints.
fn session_of(session: &str, run: &impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for part in format!("\n{session}").split("\n# ").skip(1) {
        let (command, shown) = part.split_once('\n').unwrap_or((part, ""));
        let prints = run(command);
        let same = steady(&prints) == steady(&format!("{}\n", shown.trim_end()));
        let shown = format!("{}\n", shown.trim_end());
        let lines = if same { shown.trim_start().to_owned() } else { prints };
        out += &format!("# {command}\n{lines}");
    }
    out
}

/// Without what differs from run to run: ages.
fn steady(text: &str) -> String {
    let words = |line: &str| {
        let age = |word: &str| word.strip_suffix('s').is_some_and(|n| n.parse::<u8>().is_ok());
        line.split(' ').filter(|word| !age(word)).collect::<Vec<_>>().join(" ")
    };
    text.trim().lines().map(words).collect::<Vec<_>>().join("\n")
}
