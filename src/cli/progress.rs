//! Progress bars for people. Silent where standard error is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` items, as `what  [====>   ] 420/1000 00:03`.
pub(crate) fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} [{bar:40}] {pos}/{len}  {per_sec}  {elapsed_precise}")
        .expect("built from a literal")
        .progress_chars("=> ");
    ProgressBar::new(length).with_style(style).with_message(what)
}
