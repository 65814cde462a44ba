//! Which headers of a record are shown though nobody asks for them: whatever others send may be a secret.

const SHOWN: [&str; 2] = ["content-type", "traceparent"];
const SHOWN_PREFIXES: [&str; 2] = ["ce_", "order-payments-"];

/// Whether the value of a header of this name is shown.
pub(super) fn is_shown(name: &str) -> bool {
    SHOWN.contains(&name) || SHOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_headers_that_others_made_up_are_not_shown() {
        for (name, is_told) in [
            ("ce_id", true),
            ("content-type", true),
            ("traceparent", true),
            ("order-payments-reason", true),
            ("authorization", false),
            ("__dlq.errors.exception.stacktrace", false),
            ("x-ce_id", false),
        ] {
            assert_eq!(is_shown(name), is_told, "{name}");
        }
    }
}
