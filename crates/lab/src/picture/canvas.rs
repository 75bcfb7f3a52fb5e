//! A sheet of characters to draw on, which grows as needed.

use std::fmt;

/// Rows of characters; what was not drawn on is blank.
#[derive(Default)]
pub(super) struct Canvas(Vec<Vec<char>>);

impl Canvas {
    /// Draws one character.
    pub(super) fn put(&mut self, x: usize, y: usize, c: char) {
        if self.0.len() <= y {
            self.0.resize(y + 1, Vec::new());
        }
        let Some(row) = self.0.get_mut(y) else { return };
        if row.len() <= x {
            row.resize(x + 1, ' ');
        }
        if let Some(cell) = row.get_mut(x) {
            *cell = c;
        }
    }

    /// Writes a text from `x` on.
    pub(super) fn text(&mut self, x: usize, y: usize, text: &str) {
        text.chars().enumerate().for_each(|(i, c)| self.put(x + i, y, c));
    }

    /// A horizontal line from `x` to before `end`.
    pub(super) fn across(&mut self, x: usize, end: usize, y: usize, c: char) {
        (x..end).for_each(|x| self.put(x, y, c));
    }

    /// A vertical line from `y` to before `end`.
    pub(super) fn down(&mut self, x: usize, y: usize, end: usize, c: char) {
        (y..end).for_each(|y| self.put(x, y, c));
    }
}

impl fmt::Display for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.0 {
            let line: String = row.iter().collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
