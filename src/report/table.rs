//! A table in every form in which people want one.

use std::fmt;

use super::page::escape;

/// Titles, and rows of as many cells. The first column is text, the others are figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What the columns are.
    pub titles: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these titles.
    ///
    /// ```
    /// use tidegate::report::Table;
    ///
    /// let mut table = Table::new(["mode", "p50, ms"]);
    /// table.row(["a, b".into(), "1.5".into()]);
    /// assert_eq!(table.to_string(), "  mode  p50, ms\n  a, b      1.5\n");
    /// assert_eq!(table.markdown(), "| mode | p50, ms |\n|---|---:|\n| a, b | 1.5 |\n");
    /// assert_eq!(table.csv(), "mode,\"p50, ms\"\n\"a, b\",1.5\n");
    /// ```
    pub fn new<const N: usize>(titles: [&str; N]) -> Self {
        Table { titles: titles.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The same without columns that nobody has anything for.
    pub fn filled(&self) -> Self {
        let is_filled = |column: &usize| self.rows.iter().any(|row| !row[*column].is_empty());
        let kept: Vec<usize> =
            (0..self.titles.len()).filter(|column| *column == 0 || is_filled(column)).collect();
        let of = |cells: &Vec<String>| kept.iter().map(|column| cells[*column].clone()).collect();
        Table { titles: of(&self.titles), rows: self.rows.iter().map(of).collect() }
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.titles).chain(&self.rows)
    }

    /// As GitHub and others read it.
    pub fn markdown(&self) -> String {
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let figures = "---:|".repeat(self.titles.len().saturating_sub(1));
        let rows: String = self.rows.iter().map(line).collect();
        format!("{}|---|{figures}\n{rows}", line(&self.titles))
    }

    /// As spreadsheets read it (RFC 4180, with line feeds).
    pub fn csv(&self) -> String {
        let cell = |cell: &String| match cell.contains([',', '"', '\n']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        let line = |cells: &Vec<String>| cells.iter().map(cell).collect::<Vec<_>>().join(",");
        self.lines().map(|cells| line(cells) + "\n").collect()
    }

    /// As a page has it.
    pub(super) fn html(&self) -> String {
        let cells = |tag: &str, cells: &[String]| -> String {
            cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
        };
        let rows: String =
            self.rows.iter().map(|row| format!("<tr>{}</tr>\n", cells("td", row))).collect();
        format!(
            "<div class=\"wide\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
             </table></div>\n",
            cells("th", &self.titles)
        )
    }
}

/// Columns as wide as they must be.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.lines().map(|cells| cells[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.titles.len()).map(width).collect();
        for cells in self.lines() {
            let mut text = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                text.push_str(&match column {
                    0 => format!("  {cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                });
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}
