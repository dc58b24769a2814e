//! What goes to stdout: one table for people or one JSON document. A reader that went away is no error.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::Globals;

/// Stdout was closed by its reader, as `head` does. The command ends quietly.
#[derive(Debug, thiserror::Error)]
#[error("stdout is closed")]
pub(super) struct Closed;

/// Writes to stdout, at once.
pub(super) fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        result => result.context("write to stdout"),
    }
}

/// Whether somebody is looking.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

impl Globals {
    /// Shows a document: as JSON if that was asked for, else as people read it.
    pub(super) fn show(
        &self,
        document: &impl Serialize,
        people: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        write(&self.render(document, people)?)
    }

    /// What [`Globals::show`] writes.
    pub(super) fn render(
        &self,
        document: &impl Serialize,
        people: impl FnOnce() -> String,
    ) -> anyhow::Result<String> {
        let text = match (self.json, self.pretty) {
            (true, true) => serde_json::to_string_pretty(document)?,
            (true, false) => serde_json::to_string(document)?,
            (false, _) => people(),
        };
        Ok(if text.ends_with('\n') { text } else { text + "\n" })
    }

    /// Says how many entries a flush removed.
    pub(super) fn removed(&self, count: u64) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Removed {
            removed: u64,
        }
        if self.quiet {
            return Ok(());
        }
        let entries = if count == 1 { "entry" } else { "entries" };
        self.show(&Removed { removed: count }, || format!("{count} {entries} removed"))
    }

    /// Warns on stderr.
    pub(super) fn warn(&self, warnings: &[String]) {
        if !self.quiet {
            let mut stderr = io::stderr().lock();
            for warning in warnings {
                drop(writeln!(stderr, "warning: {warning}"));
            }
        }
    }
}

/// A table in aligned columns without lines.
pub(super) struct Columns(Table);

impl Columns {
    /// A table with these headers; a column whose header begins with `>` holds numbers and is aligned to the right.
    pub(super) fn new<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let headers: Vec<&str> = headers.into_iter().collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(headers.iter().map(|header| header.trim_start_matches('>')));
        for (column, header) in table.column_iter_mut().zip(&headers) {
            column.set_padding((0, 2));
            if header.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self(table)
    }

    /// Adds a row. Empty cells show as `-`.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { cell });
        self.0.add_row(cells.collect::<Vec<_>>());
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0.trim_fmt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_is_empty() {
        let mut table = Columns::new(["MAC", ">VNI", "STATE"]);
        table.row(["02:42:c0:a8:00:03".into(), "42".into(), "permanent".into()]);
        table.row(["-".into(), "16777215".into(), String::new()]);
        assert_eq!(
            table.to_string(),
            "MAC                     VNI  STATE\n\
             02:42:c0:a8:00:03        42  permanent\n\
             -                  16777215  -\n"
        );
    }
}
