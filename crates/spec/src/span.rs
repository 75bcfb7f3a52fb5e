//! Places in a text: file, line, column, and the line itself with a caret under what is meant.
//!
//!     web.toml:2:10
//!       |
//!     2 | subnet = "10.9.0.1/24"
//!       |          ^^^^^^^^^^^^^

use std::fmt;
use std::ops::Range;

/// A place in a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// How many characters are meant, within the line.
    pub width: usize,
    /// The line.
    pub source: String,
}

impl Place {
    /// Finds the bytes `span` of `text`; a span beyond the end is the end.
    #[must_use]
    pub fn new(file: &str, text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let source = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let column = before.get(start..).unwrap_or_default().chars().count();
        let meant = text.get(span).unwrap_or_default().lines().next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: column + 1,
            width: meant.chars().count().max(1),
            source: source.to_owned(),
        }
    }

    /// The line with a caret under what is meant, ending in a newline.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands where they put it.
        let lead = self.source.chars().take(self.column - 1);
        let lead: String = lead.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(self.width);
        let source = &self.source;
        format!("{margin} |\n{number} | {source}\n{margin} | {lead}{carets}\n")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = "äö = 1\n\tb = \"ü\"\nend";
        let place = Place::new("f", text, 14..18);
        assert_eq!((place.line, place.column, place.width), (2, 6, 3));
        assert_eq!(place.excerpt(), "  |\n2 | \tb = \"ü\"\n  | \t    ^^^\n");
        let end = Place::new("f", text, 1000..1001);
        assert_eq!(end.to_string(), "f:3:4");
    }

    proptest! {
        #[test]
        fn no_span_of_no_text_panics(text in "[a\n\té\r]{0,20}", start in 0..30_usize, len in 0..9_usize) {
            let place = Place::new("f", &text, start..start + len);
            prop_assert!(place.line >= 1 && place.column >= 1 && place.excerpt().contains('^'));
        }
    }
}
