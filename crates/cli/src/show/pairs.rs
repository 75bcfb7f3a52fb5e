//! The table of `ropewalk why --all`: who does not reach whom, and why.

use ropewalk_engine::Pair;

use super::columns::{cell, table};

/// Pairs that fail, one a line, and how many there are in all.
pub(crate) fn pairs(all: &[Pair]) -> String {
    let bad: Vec<&Pair> = all.iter().filter(|pair| pair.code != "OK").collect();
    let sum = format!("{} of {} ways pass\n", all.len() - bad.len(), all.len());
    if bad.is_empty() {
        return sum;
    }
    let row = |pair: &&Pair| {
        vec![
            cell(&pair.from),
            vec![pair.to.clone(), pair.address.to_string()],
            vec![pair.code.clone(), format!("at {}", pair.place)],
        ]
    };
    let rows: Vec<_> = bad.iter().map(row).collect();
    format!(
        "{}\n{sum}ropewalk why FROM ADDRESS says more of one\n",
        table(&["FROM", "TO", "CAUSE"], &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fails_is_listed() {
        let pair = |code: &str| Pair {
            from: "netns:red".into(),
            to: "netns:blue".into(),
            address: [10, 9, 0, 3].into(),
            code: code.into(),
            place: "host:vc1".into(),
            sentence: String::new(),
        };
        assert_eq!(pairs(&[pair("OK")]), "1 of 1 ways pass\n");
        expect_test::expect![[r#"
            FROM       TO          CAUSE
            netns:red  netns:blue  PORT_ISOLATED
                       10.9.0.3    at host:vc1

            1 of 2 ways pass
            ropewalk why FROM ADDRESS says more of one
        "#]]
        .assert_eq(&pairs(&[pair("OK"), pair("PORT_ISOLATED")]));
    }
}
