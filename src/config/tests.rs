//! The settings: each layer and each kind of mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::config::layers::variable_of;
use crate::domain::payment::ChargeFlow;

mod defaults;
mod secrets;

/// A file, an environment and flags, as someone would give them.
struct Given {
    folder: TempDir,
    file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    overrides: Vec<(String, String)>,
}

impl Given {
    fn nothing() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        Self { folder, file: None, environment: BTreeMap::new(), overrides: Vec::new() }
    }

    /// Everything that is required.
    fn enough() -> Self {
        Self::nothing()
            .environment("ORDER_PAYMENTS__KAFKA__BROKERS", "one:9092")
            .environment("ORDER_PAYMENTS__DATABASE__URL", "memory:")
            .environment("ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY", "sk_test_1")
    }

    fn environment(mut self, variable: &str, value: &str) -> Self {
        self.environment.insert(variable.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.overrides.push((key.to_owned(), value.to_owned()));
        self
    }

    fn file(mut self, text: &str) -> Self {
        self.file = Some(self.written("settings.toml", text));
        self
    }

    fn written(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the test's folder is writable");
        path
    }

    fn load_for(&self, needs: Needs) -> Result<Settings, ConfigErrors> {
        Settings::load(self.file.as_deref(), &self.overrides, self.environment.clone(), needs)
    }

    fn load(&self) -> Result<Settings, ConfigErrors> {
        self.load_for(Needs::Everything)
    }

    #[track_caller]
    fn settings(&self) -> Settings {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[track_caller]
    fn errors(&self) -> String {
        self.load().expect_err("the settings should be refused").to_string()
    }
}

#[track_caller]
fn assert_says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}

#[test]
fn the_defaults_are_those_of_the_file() {
    let settings = Given::enough().settings();
    assert_eq!(settings.kafka.group_id, "order-payments");
    assert_eq!(settings.kafka.first_start, kafka::FirstStart::Earliest);
    assert_eq!(settings.kafka.new_topic_replication, -1);
    assert_eq!(settings.kafka.commit_interval.as_millis(), 1000);
    assert_eq!(settings.gateway.charge_flow, ChargeFlow::TwoStep);
    assert_eq!(settings.gateway.requests_per_second, 25);
    assert_eq!(settings.processing.max_in_flight, 4096);
    assert_eq!(settings.processing.default_currency, None);
    assert_eq!(settings.http.listen.map(|address| address.port()), Some(8080));
    assert_eq!(settings.telemetry.log_format, LogFormat::Text);
    let GatewayKind::Stripe(account) = settings.gateway.kind else { panic!("stripe is the default") };
    assert_eq!(account.api_base.as_str(), "https://api.stripe.com/");
    assert_eq!(account.api_key.expose_secret(), "sk_test_1");
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let mut given = Given::enough();
    assert_eq!(given.settings().kafka.group_id, "order-payments");
    given = given.file("[kafka]\ngroup_id = \"file\"");
    assert_eq!(given.settings().kafka.group_id, "file");
    given = given.environment("ORDER_PAYMENTS__KAFKA__GROUP_ID", "environment");
    assert_eq!(given.settings().kafka.group_id, "environment");
    given = given.flag("kafka.group_id", "flag");
    assert_eq!(given.settings().kafka.group_id, "flag");
}

#[test]
fn rust_log_wins_over_everything() {
    let given = Given::enough().flag("telemetry.log_filter", "debug").environment("RUST_LOG", "trace");
    assert_eq!(given.settings().telemetry.log_filter, "trace");
    assert_eq!(given.environment("RUST_LOG", "").settings().telemetry.log_filter, "debug");
}

#[test]
fn the_default_replication_is_the_brokers() {
    Given::enough().flag("kafka.new_topic_replication", "-1").settings();
    let errors = Given::enough().flag("kafka.new_topic_replication", "0").errors();
    assert_says(&errors, "is 0, must be 1 to 10 or -1");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let given = Given::enough().file("[kafka]\nbroker = \"one:9092\"\n[colour]\nshade = 1");
    let errors = given.errors();
    let file = given.file.as_deref().expect("a file is given").display().to_string();
    assert_says(&errors, &format!("unknown setting kafka.broker in {file} (did you mean kafka.brokers?)"));
    assert_says(&errors, &format!("unknown setting colour.shade in {file}"));
    let errors = Given::enough().environment("ORDER_PAYMENTS__KAFKA__BROKER", "one:9092").errors();
    let said = "unknown setting ORDER_PAYMENTS__KAFKA__BROKER in the environment (did you mean ORDER_PAYMENTS__KAFKA__BROKERS?)";
    assert_says(&errors, said);
    let errors = Given::enough().flag("relay.batchsize", "1").errors();
    assert_says(&errors, "unknown setting relay.batchsize in --set (did you mean relay.batch_size?)");
}

#[test]
fn other_variables_are_none_of_our_business() {
    Given::enough().environment("ORDER_PAYMENTS_TEST_SERVICES", "x").environment("PATH", "x").settings();
}

#[test]
fn a_value_of_the_wrong_type_is_refused_by_its_source() {
    let errors = Given::enough()
        .environment("ORDER_PAYMENTS__RELAY__BATCH_SIZE", "many")
        .flag("kafka.create_topics", "yes")
        .file("[kafka]\ncommit_interval_ms = \"1s\"\ngroup_id = 7\n[http]\nlisten = [1]")
        .errors();
    assert_says(&errors, "relay.batch_size (environment ORDER_PAYMENTS__RELAY__BATCH_SIZE) must be a whole number");
    assert_says(&errors, "kafka.create_topics (--set kafka.create_topics) must be true or false");
    assert_says(&errors, "settings.toml) must be a whole number, not string");
    assert_says(&errors, "settings.toml) must be a text in quotes, not integer");
    assert_says(&errors, "settings.toml) must be a text in quotes, not array");
}

#[test]
fn every_mistake_is_told_at_once() {
    let given = Given::nothing().flag("relay.batch_size", "0").flag("http.listen", "here").flag("kafka.nonsense", "1");
    let errors = given.load().expect_err("the settings should be refused");
    assert_eq!(errors.messages().len(), 4, "{errors}");
}

#[test]
fn a_setting_of_the_client_that_correctness_rests_on_is_refused() {
    let given = Given::enough().file("[kafka.client]\n\"enable.idempotence\" = \"false\"");
    assert_says(&given.errors(), "kafka.client.enable.idempotence");
}

#[test]
fn a_command_is_not_stopped_by_what_it_does_not_need() {
    let database = Given::nothing().environment("ORDER_PAYMENTS__DATABASE__URL", "memory:");
    assert!(database.load_for(Needs::Database).is_ok());
    let kafka = Given::nothing().environment("ORDER_PAYMENTS__KAFKA__BROKERS", "localhost:9092");
    assert!(kafka.load_for(Needs::Kafka).is_ok());
    assert_says(&kafka.load_for(Needs::Database).expect_err("no database").to_string(), "database.url");
}

#[test]
fn what_is_missing_is_named_in_one_message() {
    let errors = Given::nothing().load().expect_err("the settings should be refused");
    let wanted = "required and not set: kafka.brokers (environment ORDER_PAYMENTS__KAFKA__BROKERS), \
        database.url (environment ORDER_PAYMENTS__DATABASE__URL, or a file named by database.url_file), \
        gateway.stripe.api_key (environment ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY, \
        or a file named by gateway.stripe.api_key_file)";
    assert_eq!(errors.messages(), [wanted]);
}

#[test]
fn the_simulator_needs_no_key() {
    let given = Given::nothing().flag("gateway.kind", "simulator").flag("kafka.brokers", "embedded");
    let settings = given.flag("database.url", "memory:").settings();
    assert!(matches!(settings.gateway.kind, GatewayKind::Simulator));
    assert_eq!(settings.kafka.brokers, "embedded");
}

#[test]
fn databases_are_told_apart() {
    let url = |text: &str| Given::enough().environment("ORDER_PAYMENTS__DATABASE__URL", text).settings().database.url;
    assert!(matches!(url("memory:"), DatabaseUrl::Memory));
    assert!(matches!(url("sqlite://orders.db"), DatabaseUrl::Sqlite(_)));
    assert!(matches!(url("postgres://me:word@host:5432/name"), DatabaseUrl::Postgres(_)));
    assert!(matches!(url("postgresql:///name?host=/run/postgresql"), DatabaseUrl::Postgres(_)));
    for wrong in ["mysql://host/name", "sqlite://", "memory", "host/name"] {
        let errors = Given::enough().environment("ORDER_PAYMENTS__DATABASE__URL", wrong).errors();
        assert_says(&errors, "database.url (environment ORDER_PAYMENTS__DATABASE__URL) must be postgres://");
    }
}

#[test]
fn other_values_are_checked_too() {
    for (key, wrong, said) in [
        ("kafka.brokers", "one", "must be host:port"),
        ("kafka.brokers", "one:9092,,two:9092", "must be host:port"),
        ("kafka.group_id", " ", "must not be empty"),
        ("kafka.request_topic", "pay ments", "must be 1 to 249 letters"),
        ("kafka.outcome_topic", "payments.requested", "each needs a topic of its own"),
        ("kafka.dead_letter_topic", "payments.requested", "each needs a topic of its own"),
        ("kafka.first_start", "oldest", "must be \"earliest\" or \"latest\""),
        ("gateway.kind", "paypal", "must be \"stripe\" or \"simulator\""),
        ("gateway.charge_flow", "no-step", "must be \"two-step\" or \"one-step\""),
        ("gateway.requests_per_second", "-1", "must be 0 to"),
        ("gateway.stripe.api_key", "two words", "must be one word"),
        ("gateway.stripe.webhook_secret", "sk_test_1", "begins with whsec_"),
        ("gateway.stripe.webhook_secret", "whsec_ two words", "must be the signing secret"),
        ("processing.default_currency", "EURO", "must be a currency of ISO 4217"),
        ("processing.default_payment_method", "two words", "must be the name of a payment method"),
        ("http.listen", "nowhere:80", "must be an address and a port"),
        ("telemetry.log_format", "xml", "must be \"text\" or \"json\""),
    ] {
        let errors = Given::enough().flag(key, wrong).errors();
        assert_says(&errors, key);
        assert_says(&errors, said);
    }
}

#[test]
fn librdkafka_settings_keep_their_own_names() {
    let settings = Given::enough()
        .file("[kafka.client]\n\"security.protocol\" = \"SASL_SSL\"\n\"socket.timeout.ms\" = 5000\nsasl.mechanism = \"PLAIN\"")
        .environment("ORDER_PAYMENTS__KAFKA__CLIENT__SASL_PASSWORD", "word")
        .settings();
    let client = settings.kafka.client.iter().map(|(name, value)| (name.as_str(), value.expose_secret()));
    let wanted = [
        ("sasl.mechanism", "PLAIN"),
        ("sasl.password", "word"),
        ("security.protocol", "SASL_SSL"),
        ("socket.timeout.ms", "5000"),
    ];
    assert_eq!(client.collect::<Vec<_>>(), wanted);
    let errors = Given::enough().file("[kafka.client]\n\"x\" = [1]").errors();
    assert_says(&errors, "must be a text in quotes, not array");
}

#[test]
fn what_is_shown_is_toml_and_says_where_it_is_from() {
    let settings = Given::enough()
        .file("[kafka]\ngroup_id = \"shop\"\n[kafka.client]\n\"security.protocol\" = \"ssl\"")
        .flag("relay.batch_size", "7")
        .settings();
    let shown: toml::Table = settings.show().parse().expect("what is shown is TOML");
    assert_eq!(shown["kafka"]["client"]["security.protocol"].as_str(), Some("ssl"));
    assert_says(settings.show(), "batch_size = 7  # --set relay.batch_size");
    assert_says(settings.show(), "brokers = \"one:9092\"  # environment ORDER_PAYMENTS__KAFKA__BROKERS");
    assert_says(settings.show(), "lease_ms = 6000  # default");
    assert_says(settings.show(), "settings.toml");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let mut given = Given::enough();
    given.file = Some(given.folder.path().join("absent.toml"));
    assert_says(&given.errors(), "absent.toml cannot be read");
}

#[test]
fn the_variable_of_a_key_sets_that_key() {
    assert_eq!(variable_of("gateway.stripe.api_key"), "ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY");
    for (key, sourced) in Layers::of_defaults().values {
        let mut layers = Layers::of_defaults();
        let text = sourced.value.as_str().map_or_else(|| sourced.value.to_string(), str::to_owned);
        layers.add_environment([(variable_of(&key), text)]);
        assert!(layers.errors.is_empty(), "{key}: {:?}", layers.errors);
        assert_ne!(layers.values[&key].source, layers::Source::Default, "{key}");
    }
}
