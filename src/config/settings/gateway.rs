//! `[gateway]`: who takes the money, and how it is asked.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::config::reader::Reader;
use crate::domain::payment::ChargeFlow;

/// Who takes the money, and how it is asked.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Who.
    pub kind: GatewayKind,
    /// How a charge is made.
    pub charge_flow: ChargeFlow,
    /// Requests sent per second at the most, 0 for no limit.
    pub requests_per_second: u32,
    /// When intake pauses.
    pub gate: GateSettings,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often one request is sent at the most, before it is put off.
    pub max_tries: u32,
}

/// When intake pauses because of the gateway.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// How often a closed gate is probed.
    pub probe_interval: Duration,
    /// After how many calls in a row without an answer the gateway counts as away, 1 to 10000.
    pub max_failures: u32,
    /// After how many orders in a row that were refused before a charge the gate is probed, 2 to 1000.
    pub max_refusals: usize,
    /// At how many payments with an unknown outcome intake pauses, 1 to 10000000.
    pub max_unresolved: u64,
}

impl GateSettings {
    fn read(reader: &mut Reader) -> Self {
        Self {
            probe_interval: reader.milliseconds("gateway.gate.probe_interval_ms", 100..=3_600_000),
            max_failures: reader.integer("gateway.gate.max_failures", 1..=10_000),
            max_refusals: reader.integer("gateway.gate.max_refusals", 2..=1_000),
            max_unresolved: reader.integer("gateway.gate.max_unresolved", 1..=10_000_000),
        }
    }
}

/// Who takes the money.
#[derive(Clone, Debug)]
pub enum GatewayKind {
    /// Stripe, or what speaks as it does.
    Stripe(StripeAccount),
    /// A Stripe-shaped server inside this process. No money moves.
    Simulator,
}

/// Where Stripe is and who we are there.
#[derive(Clone, Debug)]
pub struct StripeAccount {
    /// Where the API is; plain `http` only on this machine.
    pub api_base: Url,
    /// The secret key.
    pub api_key: SecretString,
    /// What webhooks are signed with; `None` where none are taken.
    pub webhook_secret: Option<SecretString>,
}

/// The kinds as they are written, before it is known whether what they need is there.
#[derive(Clone, Copy)]
enum KindName {
    Stripe,
    Simulator,
}

impl GatewaySettings {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let flows = [ChargeFlow::TwoStep, ChargeFlow::OneStep].map(|flow| (flow.as_str(), flow));
        let kinds = [("stripe", KindName::Stripe), ("simulator", KindName::Simulator)];
        let kind = reader.choice("gateway.kind", &kinds);
        let account = StripeAccount::read(reader, kind);
        Self {
            kind: match kind {
                KindName::Stripe => GatewayKind::Stripe(account),
                KindName::Simulator => GatewayKind::Simulator,
            },
            charge_flow: reader.choice("gateway.charge_flow", &flows),
            requests_per_second: reader.integer("gateway.requests_per_second", 0..=i64::from(u32::MAX)),
            gate: GateSettings::read(reader),
            connect_timeout: reader.milliseconds("gateway.stripe.connect_timeout_ms", 100..=60_000),
            timeout: reader.milliseconds("gateway.stripe.timeout_ms", 1_000..=300_000),
            max_tries: reader.integer("gateway.stripe.max_tries", 1..=10),
        }
    }
}

impl StripeAccount {
    /// The account. A key is required only of who wants to charge there.
    fn read(reader: &mut Reader, kind: KindName) -> Self {
        const KEY: &str = "gateway.stripe.api_key";
        const KEY_FILE: &str = "gateway.stripe.api_key_file";
        let api_key = reader.secret(KEY, KEY_FILE);
        let is_named = !reader.text(KEY_FILE).is_empty();
        if api_key.is_none() && !is_named && matches!(kind, KindName::Stripe) {
            reader.require(KEY, ", or a file named by gateway.stripe.api_key_file");
        }
        let api_key = api_key.unwrap_or_default();
        // It travels in a header, where anything else would be cut off or refused with every request.
        if !api_key.expose_secret().chars().all(|letter| letter.is_ascii_graphic()) {
            reader.refuse(if is_named { KEY_FILE } else { KEY }, "must be one word of plain ASCII");
        }
        // The publishable key (pk_…) lies beside it on Stripe's page and cannot charge.
        let is_secret = ["sk_", "rk_"].iter().any(|prefix| api_key.expose_secret().starts_with(prefix));
        if !api_key.expose_secret().is_empty() && !is_secret {
            reader.refuse(if is_named { KEY_FILE } else { KEY }, "must be a secret key: it begins with sk_ or rk_");
        }
        Self { api_base: api_base(reader), api_key, webhook_secret: webhook_secret(reader) }
    }
}

fn webhook_secret(reader: &mut Reader) -> Option<SecretString> {
    const KEY: &str = "gateway.stripe.webhook_secret";
    const KEY_FILE: &str = "gateway.stripe.webhook_secret_file";
    let secret = reader.secret(KEY, KEY_FILE)?;
    let given = if reader.text(KEY_FILE).is_empty() { KEY } else { KEY_FILE };
    // An API key in its place would refuse every webhook, and nobody would know why.
    let text = secret.expose_secret();
    if !text.starts_with("whsec_") || !text.chars().all(|letter| letter.is_ascii_graphic()) {
        reader.refuse(given, "must be the signing secret of a webhook endpoint: one word that begins with whsec_");
    }
    if reader.text("http.listen").is_empty() {
        reader.refuse(given, "needs http.listen: webhooks are taken there");
    }
    Some(secret)
}

/// The key travels with every request: in the clear it may only go to this machine.
fn api_base(reader: &mut Reader) -> Url {
    const KEY: &str = "gateway.stripe.api_base";
    const STRIPE: &str = "https://api.stripe.com";
    let problem = match Url::parse(&reader.text(KEY)) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "must not hold a user or a password",
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url)) => return url,
        Ok(url) if url.scheme() == "http" => "must begin with https://: plain http is for 127.0.0.1 and localhost only",
        _ => "must be an https:// address",
    };
    reader.refuse(KEY, problem);
    Url::parse(STRIPE).expect("a literal address")
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
