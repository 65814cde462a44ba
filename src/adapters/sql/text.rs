//! Words of foreign origin as both databases can hold them.

use std::borrow::Cow;

/// The text without what PostgreSQL has no character for: a gateway's odd word must never be the reason why a
/// payment cannot be settled.
/// <https://www.postgresql.org/docs/current/datatype-character.html>
pub fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// What no text that begins with `prefix` comes behind, by its bytes, and all that come behind those do.
pub fn behind_prefix(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}
