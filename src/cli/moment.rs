//! Times on the command line: `2h` back from now, or a moment of RFC 3339.

use std::time::Duration;

use crate::adapters::wire::cloud_event::moment;
use crate::domain::timestamp::Timestamp;

/// A beginning, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long before now.
    Ago(Duration),
    /// This moment.
    At(Timestamp),
}

impl Since {
    /// The moment that is meant.
    ///
    /// # Errors
    /// Where it lies in the future: there is nothing since then.
    pub(crate) fn before(self, now: Timestamp) -> anyhow::Result<Timestamp> {
        match self {
            Self::Ago(period) => Ok(now.minus(period).max(Timestamp::EPOCH)),
            Self::At(moment) if moment <= now => Ok(moment),
            Self::At(_) => anyhow::bail!("--since lies in the future: nothing has happened since then"),
        }
    }
}

/// Reads `90s`, `15m`, `2h`, `3d`.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    read_period(text).ok_or_else(|| "it should be a whole number and a unit, as 90s, 15m, 2h or 3d".to_owned())
}

/// Reads `2h` as two hours ago, or a moment of RFC 3339 with its offset.
pub(crate) fn since(text: &str) -> Result<Since, String> {
    read_period(text).map(Since::Ago).or_else(|| moment(text.as_bytes()).map(Since::At)).ok_or_else(|| {
        "it should be a time back from now, as 90s, 15m, 2h or 3d, or a moment as 2026-01-31T12:00:00Z".to_owned()
    })
}

fn read_period(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_whole_number_and_a_unit() {
        let lawful = [("90s", 90), ("15m", 900), ("2h", 7_200), ("3d", 259_200), ("007s", 7)];
        for (text, seconds) in lawful {
            assert_eq!(period(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "0s",
            "-1h",
            "+1h",
            "1.5h",
            "1 h",
            "h1",
            "2w",
            "1H",
            "٣d",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert!(period(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_beginning_is_so_long_ago_or_a_moment_with_its_offset() {
        assert_eq!(since("2h"), Ok(Since::Ago(Duration::from_hours(2))));
        let new_year = Timestamp::from_micros(1_767_225_600_000_000);
        for text in ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000000Z"] {
            assert_eq!(since(text), Ok(Since::At(new_year)), "{text}");
        }
        for text in ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "12:00"] {
            let mistake = since(text).expect_err(text);
            assert!(mistake.contains("2h") && mistake.contains("2026-01-31T12:00:00Z"), "{mistake}");
        }
    }

    #[test]
    fn nothing_begins_in_the_future() {
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        let hour = Duration::from_hours(1);
        assert_eq!(Since::Ago(hour).before(now).expect("past"), now.minus(hour));
        assert_eq!(Since::At(now).before(now).expect("now"), now);
        assert!(Since::At(now.plus(hour)).before(now).is_err());
    }
}
