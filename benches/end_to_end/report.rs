//! Shows what was measured, once it was judged: a table for each scenario, and all of it as JSON.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One run of a scenario.
pub(crate) trait Run: Serialize {
    /// What tells this run from the others, then what was measured.
    const COLUMNS: (&'static [&'static str], &'static [&'static str]);

    /// A cell for each of the first columns.
    fn labels(&self) -> Vec<String>;

    /// A cell for each of the others.
    fn figures(&self) -> Vec<String>;

    /// Why nothing that was measured counts; empty where all is well.
    fn wrongs(&self) -> &[String];
}

/// The most wrongs of a run that are printed.
const MAX_WRONGS: usize = 20;

/// Everything that is shown.
#[derive(Debug, Default)]
pub(crate) struct Report {
    json: Map<String, Value>,
    incorrect: usize,
}

impl Report {
    /// A fact that is no table.
    pub(crate) fn note(&mut self, name: &str, value: &impl Serialize) {
        self.json.insert(name.to_owned(), json!(value));
    }

    /// Prints the runs of a scenario. The figures of an incorrect one are not shown.
    pub(crate) fn show<R: Run>(&mut self, name: &str, title: &str, runs: &[R]) {
        let (labels, figures) = R::COLUMNS;
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header(labels.iter().chain(figures).chain(&["correct"]));
        for run in runs {
            let is_correct = run.wrongs().is_empty();
            let figures = if is_correct { run.figures() } else { vec!["-".to_owned(); figures.len()] };
            let verdict = if is_correct { "yes" } else { "NO" }.to_owned();
            table.add_row(run.labels().into_iter().chain(figures).chain([verdict]));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("\n{title}\n\n{table}");
        for run in runs {
            self.blame(&run.labels(), run.wrongs());
        }
        self.json.insert(name.to_owned(), json!(runs));
    }

    fn blame(&mut self, labels: &[String], wrongs: &[String]) {
        if wrongs.is_empty() {
            return;
        }
        self.incorrect += 1;
        println!("\nNOT CORRECT: {} ({} findings)", labels.join(", "), wrongs.len());
        for wrong in wrongs.iter().take(MAX_WRONGS) {
            println!("  {wrong}");
        }
    }

    /// How many runs were incorrect.
    pub(crate) fn incorrect(&self) -> usize {
        self.incorrect
    }

    /// Writes everything to a file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn write(&self, file: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(&self.json).expect("plain values always serialise");
        text.push('\n');
        std::fs::write(file, text)
    }
}

/// A number as a person reads it: three figures that mean something.
pub(crate) fn figure(value: f64) -> String {
    match value {
        value if value.is_nan() => "-".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// A time in milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> String {
    figure(duration.as_secs_f64() * 1000.0)
}
