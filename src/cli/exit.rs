//! Exit codes that mean something to a script, beside 0 (done), 1 (could not) and 2 (a command line that
//! cannot be read). The same number means the same for every command.

use std::fmt::Display;
use std::process::ExitCode;

/// It is not understood what is asked for, as where a command line cannot be read. Nothing was done.
pub(crate) const NOT_UNDERSTOOD: u8 = 2;
/// What was asked about is not known here.
pub(crate) const NOT_KNOWN: u8 = 3;
/// Done, and a person should look: a closed gate, findings, a refund that failed.
pub(crate) const ATTENTION: u8 = 4;
/// The facts forbid it, as when more is to be refunded than is left. Nothing was done.
pub(crate) const REFUSED: u8 = 5;
/// It was begun and had not ended when the wait for it was over.
pub(crate) const UNDECIDED: u8 = 6;

/// Says why what is asked for makes no sense. Nothing was done.
pub(crate) fn not_understood(problem: impl Display) -> ExitCode {
    eprintln!("order-payments: {problem}; nothing was done");
    ExitCode::from(NOT_UNDERSTOOD)
}
