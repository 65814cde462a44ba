//! The settings: read, checked and typed. The only place that reads the environment; never prints a secret.
//!
//! ```text
//! config/default.toml ◄── file ◄── environment ◄── --set     (the right wins)
//!         │ the schema: which keys there are, and of which type
//!         ▼
//!      Layers ──► Reader ──► Settings        every error is gathered, then all are told at once
//! ```

mod layers;
mod reader;
mod secrets;
mod settings;
mod show;

use std::fmt;
use std::path::Path;

use thiserror::Error;

use crate::adapters::kafka;
use crate::config::layers::Layers;
use crate::config::reader::Reader;
pub use crate::config::settings::{
    DatabaseSettings, DatabaseUrl, GatewayKind, GatewaySettings, HttpSettings, LogFormat, ProcessingSettings,
    ReconcileSettings, RelaySettings, StripeAccount, TelemetrySettings,
};

/// Every setting with its default and its comment; also the schema of what may be set.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Which of the required settings a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// All of them: the service.
    Everything,
    /// Those of the database alone.
    Database,
    /// Those of the database and of the payment gateway.
    DatabaseAndGateway,
    /// Those of the database and of Kafka.
    DatabaseAndKafka,
    /// Those of Kafka alone.
    Kafka,
    /// None of them.
    Nothing,
}

/// Every setting, typed and within its range.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster, its topics and how they are read.
    pub kafka: kafka::Config,
    /// Where orders are kept.
    pub database: DatabaseSettings,
    /// Who takes the money.
    pub gateway: GatewaySettings,
    /// How orders are worked on.
    pub processing: ProcessingSettings,
    /// How outcomes are published.
    pub relay: RelaySettings,
    /// How unknown answers are looked up.
    pub reconcile: ReconcileSettings,
    /// Health and metrics.
    pub http: HttpSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
    shown: String,
}

impl Settings {
    /// Reads the settings from `file`, `environment` and `overrides` (keys as `kafka.brokers`).
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is unknown, wrong or missing. No secret is in it.
    pub fn load(
        file: Option<&Path>,
        overrides: &[(String, String)],
        environment: impl IntoIterator<Item = (String, String)>,
        needs: Needs,
    ) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::of_defaults();
        if let Some(file) = file {
            layers.add_file(file);
        }
        layers.add_environment(environment);
        layers.add_overrides(overrides);
        Self::read(layers, needs)
    }

    /// Reads the settings from `file`, the environment of this process and `overrides`.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_process(
        file: Option<&Path>,
        overrides: &[(String, String)],
        needs: Needs,
    ) -> Result<Self, ConfigErrors> {
        // What is not UTF-8 among our own variables is then refused as any other wrong value.
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
        Self::load(file, overrides, environment, needs)
    }

    /// The effective settings as TOML, each with where it is from; secrets are masked.
    pub fn show(&self) -> &str {
        &self.shown
    }

    fn read(layers: Layers, needs: Needs) -> Result<Self, ConfigErrors> {
        let shown = show::render(&layers.values);
        let mut reader = Reader::new(layers, needs);
        let settings = Self {
            kafka: settings::kafka::read(&mut reader),
            database: DatabaseSettings::read(&mut reader),
            gateway: GatewaySettings::read(&mut reader),
            processing: ProcessingSettings::read(&mut reader),
            relay: RelaySettings::read(&mut reader),
            reconcile: ReconcileSettings::read(&mut reader),
            http: HttpSettings::read(&mut reader),
            telemetry: TelemetrySettings::read(&mut reader),
            shown,
        };
        reader.finish().map(|()| settings)
    }
}

/// Everything that is wrong with the settings, one line each. Nothing was started.
#[derive(Debug, Error)]
pub struct ConfigErrors(Vec<String>);

impl ConfigErrors {
    /// What is wrong, one sentence each.
    pub fn messages(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the settings cannot be used")?;
        self.0.iter().try_for_each(|message| write!(formatter, "\n  - {message}"))
    }
}

#[cfg(test)]
mod tests;
