//! Codes and names that are near to what was typed.

use super::pages;

/// The codes that are nearest to a word, the nearest first.
#[must_use]
pub fn nearest(word: &str) -> Vec<&'static str> {
    let word = word.to_ascii_uppercase();
    let bare = |text: &str| text.replace('_', "");
    let far = word.len() / 3 + 1;
    let near = |code: &str| {
        let within = word.len() > 2 && bare(code).contains(&bare(&word));
        within || distance(&word, code) <= far
    };
    let mut all: Vec<(usize, &'static str)> = pages()
        .filter(|page| near(page.code))
        .map(|page| (distance(&word, page.code), page.code))
        .collect();
    all.sort_unstable();
    all.into_iter().take(3).map(|(_, code)| code).collect()
}

/// The names that are nearest to a word, the nearest first; several letters may be wrong, or it is
/// part of the name.
#[must_use]
pub fn nearest_names(word: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let far = (word.len() / 3).max(if word.len() > 3 { 2 } else { 1 });
    let part = |name: &str| {
        !word.is_empty() && !name.is_empty() && (name.contains(word) || word.contains(name))
    };
    let ranked = names.into_iter().map(|name| (distance(word, &name), name));
    let mut near: Vec<(usize, String)> =
        ranked.filter(|(away, name)| *away <= far || part(name)).collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut next = vec![i + 1];
        for (y, pair) in b.bytes().zip(row.windows(2)) {
            let (Some(corner), Some(above)) = (pair.first(), pair.last()) else { continue };
            let left = next.last().copied().unwrap_or(0);
            next.push((corner + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
