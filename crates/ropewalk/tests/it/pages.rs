//! Help, completions, man pages and the reference: all from one table.

use expect_test::expect_file;
use ropewalk_testnet::Private;

use crate::run::ropewalk;

const VERBS: &[&str] = &["attach", "detach", "publish", "unpublish", "ps", "check", "purge"];

fn printed(line: &str) -> String {
    let ran = ropewalk(line);
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "ropewalk {line}");
    ran.out
}

#[test]
fn the_reference_in_docs_is_that_of_the_table() {
    expect_file!["../../../../docs/reference/cli.md"].assert_eq(&printed("man --markdown"));
}

#[test]
fn the_causes_in_docs_are_those_that_are_explained() {
    expect_file!["../../../../docs/reference/causes.md"].assert_eq(&printed("explain --markdown"));
    let page = printed("explain rp_filter");
    assert!(page.starts_with("RP_FILTER\n\n  The reverse path filter"), "{page}");
    let all = printed("explain");
    assert!(all.contains("RP_FILTER") && all.lines().all(|l| l.len() <= 80), "{all}");
    let unknown = ropewalk("explain FILTERDROP");
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.err.contains("ropewalk explain FILTER_DROP"), "{}", unknown.err);
}

#[test]
fn help_of_a_command_is_the_same_by_word_and_by_option() {
    for command in ["", "network", "network create", "attach", "plan", "help"] {
        assert_eq!(printed(&format!("help {command}")), printed(&format!("{command} --help")));
    }
    assert!(printed("help").contains("Exit status: 0 done, 1 refused"));
}

#[test]
fn a_code_has_a_page_and_is_listed() {
    let page = printed("help addr-taken");
    assert!(page.starts_with("addr-taken\n\n  Another attachment holds the address"), "{page}");
    let list = printed("help codes");
    assert!(list.contains(&page), "{list}");
    assert!(list.lines().all(|line| line.len() <= 80));
}

#[test]
fn no_line_of_help_is_wider_than_eighty_columns() {
    let text = printed("man --markdown");
    let wide = |line: &&str| line.chars().count() > 80 && !line.starts_with("* `");
    assert_eq!(text.lines().filter(wide).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn completions_know_every_command_and_are_shell() {
    let net = Private::enter();
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&format!("completions {shell}"));
        for verb in VERBS {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
    let file = "/run/ropewalk/completions";
    std::fs::write(file, printed("completions bash")).expect(file);
    net.sh(&format!("bash -n {file}"));
    assert_eq!(
        net.sh(&format!("bash -c '. {file}; complete -p ropewalk | grep -c ropewalk'")),
        "1\n"
    );
}

#[test]
fn man_pages_are_written_one_for_each_command() {
    let _net = Private::enter();
    let list = printed("man /run/ropewalk/man");
    let missing = |file: &&str| !std::fs::exists(file).unwrap_or(false);
    assert_eq!(list.lines().filter(missing).collect::<Vec<_>>(), Vec::<&str>::new());
    for verb in VERBS {
        let page = std::fs::read_to_string(format!("/run/ropewalk/man/ropewalk-{verb}.1"));
        assert!(page.expect(verb).contains(".SH SYNOPSIS"), "{verb}");
    }
    assert!(list.contains("/run/ropewalk/man/ropewalk-network-create.1\n"), "{list}");
    assert!(printed("man").starts_with(".ie"), "roff");
}

#[test]
fn man_pages_that_cannot_be_written_are_refused_by_folder() {
    let net = Private::enter();
    net.sh("mount -o remount,ro /run/ropewalk");
    let ran = ropewalk("man /run/ropewalk/man");
    assert_eq!(ran.status, Some(1));
    assert!(ran.err.contains("/run/ropewalk/man") && ran.err.contains("[bad-file]"), "{}", ran.err);
}

#[test]
fn pages_are_json_too() {
    for (line, field) in [("help attach", "text"), ("completions fish", "script"), ("man", "page")]
    {
        let json: serde_json::Value =
            serde_json::from_str(&printed(&format!("{line} --json"))).expect(line);
        assert!(json[field].as_str().is_some_and(|text| text.len() > 100), "{line}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_fault() {
    let net = Private::enter();
    let binary = env!("CARGO_BIN_EXE_ropewalk");
    let script = format!("{{ {binary} man --markdown; echo status $? >&2; }} | true");
    assert_eq!(net.sh(&script), "status 0\n");
}
