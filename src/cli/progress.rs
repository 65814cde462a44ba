//! Progress bars for people. Silent where standard error is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a counter shows that it lives, while nothing is counted.
const TICK: Duration = Duration::from_millis(200);

/// A bar over `length` items, as `what  [====>   ] 420/1000 00:03`.
pub(crate) fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} [{bar:40}] {pos}/{len}  {per_sec}  {elapsed_precise}")
        .expect("built from a literal")
        .progress_chars("=> ");
    ProgressBar::new(length).with_style(style).with_message(what)
}

/// A count of what there is no knowing the length of, as `what  | 420  00:03`.
pub(crate) fn counter(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} {spinner} {pos}  {per_sec}  {elapsed_precise}");
    let bar = ProgressBar::new_spinner().with_style(style.expect("built from a literal")).with_message(what);
    bar.enable_steady_tick(TICK);
    bar
}
