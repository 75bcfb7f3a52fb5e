//! Tables: columns as wide as what stands in them, two blanks between, several lines to a cell.
//!
//!     SANDBOX    NETWORK  ADDRESSES
//!     netns:red  web      10.9.0.2/24
//!                         fd00:9::2/64

/// The lines of one cell.
pub(crate) type Cell = Vec<String>;

/// One line in a cell.
pub(crate) fn cell(text: impl Into<String>) -> Cell {
    vec![text.into()]
}

/// The table of `rows` under `head`.
pub(crate) fn table(head: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut all = vec![head.iter().map(|title| cell(*title)).collect()];
    all.extend_from_slice(rows);
    let widths: Vec<usize> = (0..head.len()).map(|column| width(&all, column)).collect();
    all.iter().map(|row| lines(row, &widths)).collect()
}

fn width(rows: &[Vec<Cell>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.flatten().map(|line| line.chars().count()).max().unwrap_or_default()
}

fn lines(row: &[Cell], widths: &[usize]) -> String {
    let height = row.iter().map(Vec::len).max().unwrap_or_default();
    let mut text = String::new();
    for n in 0..height {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let part = cell.get(n).map_or("", String::as_str);
            line += &format!("{part:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_where_their_text_does() {
        let rows = [
            vec![cell("a"), vec!["1".into(), "22222".into()], cell("x")],
            vec![cell("bbb"), Cell::new(), cell("y")],
        ];
        expect_test::expect![[r"
            K    NUM    Z
            a    1      x
                 22222
            bbb         y
        "]]
        .assert_eq(&table(&["K", "NUM", "Z"], &rows));
    }
}
