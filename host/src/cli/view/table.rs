//! Aligned columns, readable without colour and by `awk`: two blanks between columns, one sign for nothing.

use super::text::{NOTHING, one_line};

const GAP: &str = "  ";

/// Rows under a heading.
pub(super) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub fn new(heading: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![heading.map(str::to_owned)],
        }
    }

    /// With another row. An empty cell shows the sign for nothing.
    pub fn row(mut self, cells: [String; COLUMNS]) -> Self {
        self.rows.push(cells.map(|cell| match one_line(&cell) {
            empty if empty.is_empty() => NOTHING.to_owned(),
            cell => cell,
        }));
        self
    }

    /// With a row for each.
    pub fn rows<T>(self, items: impl IntoIterator<Item = T>, cells: impl Fn(T) -> [String; COLUMNS]) -> Self {
        items.into_iter().fold(self, |table, item| table.row(cells(item)))
    }

    /// The table, or `empty` on a line if it has no rows.
    pub fn to_text(&self, empty: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{empty}\n");
        }
        aligned(&self.rows)
    }
}

/// A name and what belongs to it, line by line.
pub(super) fn fields<const ROWS: usize>(rows: [(&str, String); ROWS]) -> String {
    aligned(&rows.map(|(name, value)| [name.to_owned(), one_line(&value)]))
}

fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let line: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(line.join(GAP).trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_nothing_is_a_sign() {
        let table = Table::new(["NAME", "CAUSE"])
            .row(["marvin".to_owned(), String::new()])
            .row(["ü".to_owned(), "line\nbreak".to_owned()]);
        insta::assert_snapshot!(table.to_text("none"), @r"
        NAME    CAUSE
        marvin  -
        ü       line\nbreak
        ");
        assert_eq!(Table::new(["NAME"]).to_text("there is none"), "there is none\n");
    }
}
