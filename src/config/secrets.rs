//! Which values are never shown.

/// Keys whose value gives access to money or data.
const SECRETS: [&str; 3] = ["database.url", "gateway.stripe.api_key", "gateway.stripe.webhook_secret"];
/// Ends of librdkafka's names whose values are harmless. Any other may hold a password or a key, those
/// that a later version brings too.
const HARMLESS_CLIENT_ENDS: [&str; 8] =
    [".protocol", ".mechanism", ".mechanisms", ".location", ".ms", ".bytes", "client.id", "client.rack"];

/// Whether the key's value must not be shown.
pub(crate) fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key)
        || key
            .strip_prefix("kafka.client.")
            .is_some_and(|name| !HARMLESS_CLIENT_ENDS.iter().any(|end| name.ends_with(end)))
}
