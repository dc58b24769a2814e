//! A measurement as a table: on the terminal and, with the same cells, in the report.

use comfy_table::{CellAlignment, Table, presets};

use super::{
    contender::Contender,
    figures,
    model::{Entrant, Measured},
};

/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// A table of text. The first column is aligned to the left, the others to the right.
#[derive(Clone, Debug)]
pub struct Cells {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Cells {
    /// A table without rows.
    pub fn new<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        Self { headers: headers.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As people read it in a terminal.
    pub fn terminal(&self) -> String {
        let mut table = self.table();
        table.load_style(presets::NOTHING);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((if index == 0 { 2 } else { 0 }, 2));
        }
        format!("{}\n", table.trim_fmt())
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut table = self.table();
        table.load_style(presets::ASCII_MARKDOWN);
        let text = table.to_string();
        // The renderer of the preset does not say how columns are aligned.
        let lines = text.lines().enumerate().map(|(number, line)| {
            let line = line.trim_end();
            if number == 1 { self.rule(line) } else { line.to_owned() }
        });
        lines.fold(String::new(), |text, line| text + &line + "\n")
    }

    fn rule(&self, line: &str) -> String {
        let mut columns: Vec<String> = line.split('|').map(str::to_owned).collect();
        for column in columns.iter_mut().skip(2).take(self.headers.len().saturating_sub(1)) {
            column.pop();
            column.push(':');
        }
        columns.join("|")
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.set_header(&self.headers);
        for row in &self.rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// What a contender's name is written like.
pub type Naming = fn(Contender) -> String;

/// A measurement: a row for each contender. Columns that nobody fills are left out.
pub fn of(measured: &Measured, naming: Naming) -> Cells {
    let mut columns: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let mut column = |header: String, cell: &dyn Fn(&Entrant) -> Option<String>| {
        columns.push((header, measured.entrants.iter().map(cell).collect()));
    };

    let value = |value: f64| figures::value(value, &measured.unit);
    column(figures::heading(&measured.unit).to_owned(), &|entrant| match &entrant.failed {
        Some(_) => Some("failed".to_owned()),
        None => Some(value(entrant.summary()?.median)),
    });
    column("spread".to_owned(), &|entrant| {
        // One round has none.
        let summary = entrant.summary().filter(|_| entrant.rounds.len() > 1)?;
        Some(format!("{} .. {}", value(summary.min), value(summary.max)))
    });
    let others = |to: Option<Contender>, entrant: &Entrant| {
        let to = to.filter(|to| *to != entrant.contender)?;
        measured.ratio(entrant.contender, to).map(figures::times)
    };
    column("x kernel".to_owned(), &|entrant| others(Some(Contender::Kernel), entrant));
    column("x limit".to_owned(), &|entrant| others(entrant.contender.limit(), entrant));
    if let Some(per) = &measured.cpu_per {
        column(format!("CPU/{per}"), &|entrant| Some(figures::nanoseconds(entrant.cpu()?.median)));
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for also in measured.entrants.iter().flat_map(Entrant::also_names) {
        if !seen.contains(&also) {
            seen.push(also);
        }
    }
    for (name, unit) in seen {
        let header = match figures::heading(unit) {
            "" | "time" => name.to_owned(),
            unit => format!("{name}, {unit}"),
        };
        column(header, &|entrant| Some(figures::value(entrant.also(name)?.median, unit)));
    }

    columns.retain(|(_, cells)| cells.iter().any(Option::is_some));
    let mut cells = Cells::new([""].into_iter().chain(columns.iter().map(|(header, _)| header.as_str())));
    for (index, entrant) in measured.entrants.iter().enumerate() {
        let values = columns
            .iter()
            .map(|(_, values)| values.get(index).cloned().flatten().unwrap_or_else(|| NOTHING.to_owned()));
        cells.row([naming(entrant.contender)].into_iter().chain(values));
    }
    cells
}

/// A measurement for the terminal: its title, its table, and why who failed did.
pub fn terminal(measured: &Measured) -> String {
    let mut text = format!("\n{}: {}\n", measured.id, measured.title);
    text += &of(measured, |contender| contender.name().to_owned()).terminal();
    for entrant in &measured.entrants {
        if let Some(why) = &entrant.failed {
            text += &format!("  {} failed: {why}\n", entrant.contender.name());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn the_table_has_medians_ratios_cpu_time_and_who_failed() {
        let text = terminal(&sample::measured("frames-64-1"));
        assert_eq!(
            text,
            "\nframes-64-1: Sample of frames-64-1\n\
             \x20            frames/s          spread  x kernel  x limit  CPU/frame  lost, %\n\
             \x20 kernel        100 k   98 k .. 102 k         -        -    6.25 us        0\n\
             \x20 vxbpf-tc      400 k  392 k .. 408 k     4.00x    0.80x    1.56 us        0\n\
             \x20 limit-tc      500 k  490 k .. 510 k     5.00x        -    1.25 us        0\n\
             \x20 limit-xdp    failed               -         -        -          -        -\n\
             \x20 limit-xdp failed: round 2: 900 of 1000 frames arrived\n"
        );
    }

    #[test]
    fn markdown_aligns_numbers_to_the_right() {
        let mut cells = Cells::new(["", "frames/s"]);
        cells.row(["kernel".to_owned(), "100 k".to_owned()]);
        assert_eq!(cells.markdown(), "|        | frames/s |\n|--------|---------:|\n| kernel |    100 k |\n");
    }

    #[test]
    fn what_nobody_has_is_no_column() {
        let mut measured = sample::measured("x");
        measured.cpu_per = None;
        measured.entrants.retain(|entrant| entrant.contender == Contender::Kernel);
        measured
            .entrants
            .iter_mut()
            .flat_map(|entrant| &mut entrant.rounds)
            .for_each(|round| round.also.clear());
        let header = terminal(&measured).lines().nth(2).unwrap_or_default().to_owned();
        assert_eq!(header.split_whitespace().collect::<Vec<_>>(), ["frames/s", "spread"]);
    }
}
