//! The manual pages of causes: what each is, how it looks, how to see it by hand, how to repair it.
//!
//!     ropewalk explain RP_FILTER
//!
//! One table a topic; detection is in `causes/`, where several causes share what they look at.
//! Never here: networks.

mod bridges;
mod hosts;
mod links;
mod names;
mod neighbours;
mod routes;
mod rules;
mod services;
mod sizes;
mod translation;

pub use names::{nearest, nearest_names};

/// The page of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Page {
    /// Its code.
    pub code: &'static str,
    /// What it is.
    pub what: &'static str,
    /// How it looks to who meets it.
    pub looks: &'static str,
    /// Commands that show it.
    pub see: &'static [&'static str],
    /// What repairs it.
    pub repair: &'static str,
}

/// Topics, and the pages of each.
pub const TOPICS: [(&str, &[Page]); 9] = [
    ("links", links::PAGES),
    ("bridges, macvlan, VXLAN", bridges::PAGES),
    ("addresses and routes", routes::PAGES),
    ("hosts", hosts::PAGES),
    ("neighbours", neighbours::PAGES),
    ("rules", rules::PAGES),
    ("translation", translation::PAGES),
    ("sizes", sizes::PAGES),
    ("services", services::PAGES),
];

/// All pages.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    TOPICS.iter().flat_map(|(_, pages)| pages.iter())
}

/// The page of a code.
#[must_use]
pub fn page(code: &str) -> Option<&'static Page> {
    pages().find(|page| page.code.eq_ignore_ascii_case(code.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_that_is_named_has_one_page() {
        let mut codes: Vec<&str> = pages().map(|p| p.code).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all, "two pages of one code");
        // What the sources name: every literal of capitals that is one of a code.
        let sources = [
            include_str!("../causes/bridge.rs"),
            include_str!("../causes/filter.rs"),
            include_str!("../causes/hops.rs"),
            include_str!("../causes/link.rs"),
            include_str!("../causes/mod.rs"),
            include_str!("../causes/nat.rs"),
            include_str!("../causes/neighbour.rs"),
            include_str!("../causes/policy.rs"),
            include_str!("../causes/publish.rs"),
            include_str!("../causes/routing.rs"),
            include_str!("../causes/segment.rs"),
            include_str!("../causes/service.rs"),
            include_str!("../causes/size.rs"),
            include_str!("../causes/source.rs"),
            include_str!("../causes/tunnel.rs"),
            include_str!("../causes/v6.rs"),
        ];
        let not_codes = ["ACCEPT", "CT", "DNAT", "HL", "INPUT", "MASQUERADE", "NOTRACK", "OUTPUT"];
        let others =
            ["POSTROUTING", "PREROUTING", "REDIRECT", "SNAT", "TCP", "TTL", "UDP", "UNKNOWN"];
        for word in sources.iter().flat_map(|s| s.split('"')) {
            let capitals = word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.len() > 1
                && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit());
            if capitals && !not_codes.contains(&word) && !others.contains(&word) {
                assert!(page(word).is_some(), "{word} has no page");
            }
        }
    }

    #[test]
    fn a_code_is_found_in_any_case_and_a_misspelt_one_by_its_neighbours() {
        assert_eq!(page("rp_filter").map(|p| p.code), Some("RP_FILTER"));
        assert_eq!(page("nonsense"), None);
        assert_eq!(nearest("RPFILTER").first(), Some(&"RP_FILTER"));
        assert_eq!(nearest("FILTERDROP").first(), Some(&"FILTER_DROP"));
        let names = || ["blue", "red", "green", "web-1"].map(str::to_owned);
        assert_eq!(nearest_names("rod", names()), ["red"]);
        assert_eq!(nearest_names("web", names()), ["web-1"]);
        assert!(nearest_names("nobody-at-all", names()).is_empty());
    }
}
