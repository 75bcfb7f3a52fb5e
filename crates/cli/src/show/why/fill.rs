//! Text filled into 80 columns: sentences, and commands that stay commands.
//!
//! Never here: what is said.

/// No line is wider.
pub(in crate::show) const WIDTH: usize = 80;

/// How many columns a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The words of `text` in lines of at most `width` columns. A word that is longer is broken.
pub(in crate::show) fn words(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && columns(&line) + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A command in lines of at most `width` columns that a shell takes as one line: broken between
/// words, outside of quotes where that can be, and each but the last ended by a backslash, which
/// nft and a shell inside of quotes understand as well.
pub(in crate::show) fn command(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let at = gap(&rest, width.saturating_sub(2)).filter(|at| *at > 0);
        let (mut line, next) = match at {
            Some(at) => (rest.iter().take(at).collect::<String>() + " \\", at + 1),
            // Nothing to break at: a backslash alone joins what it parts.
            None => {
                let at = width.saturating_sub(1);
                (rest.iter().take(at).collect::<String>() + "\\", at)
            }
        };
        line.truncate(line.trim_end().len());
        lines.push(line);
        rest = rest.split_off(next.min(rest.len()));
    }
    lines.push(rest.into_iter().collect());
    lines
}

/// The last blank before `limit`, outside of quotes if there is one.
fn gap(text: &[char], limit: usize) -> Option<usize> {
    let (mut quote, mut outside, mut inside) = (None, None, None);
    for (at, c) in text.iter().enumerate().take(limit + 1) {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(*c),
            (c, Some(open)) if *c == open => quote = None,
            (' ', None) => outside = Some(at),
            (' ', Some(_)) => inside = Some(at),
            _ => {}
        }
    }
    outside.filter(|at| *at > 8).or(inside).or(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_stays_one() {
        let long = "ip netns exec a-very-long-name nft insert rule inet corp forward ip saddr \
                    10.0.0.2 ip daddr 198.51.100.8 counter accept comment 'by hand'";
        let lines = command(long, 60);
        assert!(lines.iter().all(|line| columns(line) <= 60), "{lines:#?}");
        let joined = lines.join("\n").replace(" \\\n", " ");
        assert_eq!(joined, long);
        assert_eq!(command("short", 60), ["short"]);
        let endless = "x".repeat(130);
        assert_eq!(command(&endless, 60).join("\n").replace("\\\n", ""), endless);
    }

    #[test]
    fn a_long_word_is_broken() {
        assert_eq!(words("ab cdefgh i", 3), ["ab", "cde", "fgh", "i"]);
        assert_eq!(words("ab c d", 4), ["ab c", "d"]);
    }
}
