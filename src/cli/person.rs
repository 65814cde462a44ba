//! The person at the command line: who it is, why they do it, and whether they mean it.

use std::io::{IsTerminal, stdin};

use anyhow::{Context, bail};

/// The longest name.
const MAX_ACTOR_CHARS: usize = 100;
/// The longest reason.
const MAX_REASON_CHARS: usize = 500;

/// Who does it, and why. Both are kept for good.
#[derive(Debug, clap::Args)]
pub(crate) struct Person {
    /// Your name; it is kept in the journal.
    #[arg(long, value_name = "NAME", value_parser = actor)]
    pub(crate) actor: String,
    /// Why, in a sentence; it is kept in the journal. No customer's data.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
}

/// Who does it, and why, for a command that has `--dry-run`: that needs nobody.
#[derive(Debug, clap::Args)]
pub(crate) struct UnlessDry {
    /// Your name; it is kept in the journal.
    #[arg(long, value_name = "NAME", value_parser = actor, required_unless_present = "dry_run")]
    actor: Option<String>,
    /// Why, in a sentence; it is kept in the journal. No customer's data.
    #[arg(long, value_name = "TEXT", value_parser = reason, required_unless_present = "dry_run")]
    reason: Option<String>,
}

impl UnlessDry {
    /// The name and the reason, where both were said.
    pub(crate) fn named(&self) -> Option<(&str, &str)> {
        self.actor.as_deref().zip(self.reason.as_deref())
    }
}

/// Whether to ask before money moves or an order ends.
#[derive(Debug, clap::Args)]
pub(crate) struct Consent {
    /// Do not ask; needed where there is no terminal.
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Whether it was given beforehand.
    pub(crate) const fn is_given(&self) -> bool {
        self.yes
    }

    /// Whether the person agrees.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub(crate) fn to(&self, question: &str) -> anyhow::Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !stdin().is_terminal() {
            bail!("there is no terminal to ask at, so nothing was done: repeat it with --yes\n{question}");
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        stdin().read_line(&mut answer).context("the answer could not be read; nothing was done")?;
        let agrees = matches!(answer.trim(), "y" | "Y" | "yes");
        if !agrees {
            eprintln!("nothing was done");
        }
        Ok(agrees)
    }
}

/// A name that may be kept.
pub(crate) fn actor(text: &str) -> Result<String, String> {
    kept(text, MAX_ACTOR_CHARS)
}

/// A reason that may be kept.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    kept(text, MAX_REASON_CHARS)
}

/// A text that may be kept: a line of something.
fn kept(text: &str, max_chars: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it must not be empty".to_owned());
    }
    if text.chars().count() > max_chars {
        return Err(format!("it has more than {max_chars} characters"));
    }
    if text.contains(char::is_control) {
        return Err("it must be one line".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_one_line_of_something() {
        assert_eq!(kept("  goods came back ", 20), Ok("goods came back".to_owned()));
        for text in ["", "  ", "a\nb", "a\u{7}", &"ä".repeat(21)] {
            assert!(kept(text, 20).is_err(), "{text:?}");
        }
        assert!(kept(&"ä".repeat(20), 20).is_ok());
    }

    #[test]
    fn with_yes_nobody_is_asked() {
        assert!(Consent { yes: true }.to("sure?").expect("no one to ask is no obstacle"));
    }
}
