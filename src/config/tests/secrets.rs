//! Where secrets may come from, and that none ever leaves.

use super::*;

const CANARY: &str = "canary-5f1d";

#[test]
fn a_publishable_key_is_refused_and_not_shown() {
    let errors = Given::enough().environment("ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY", "pk_live_canary").errors();
    assert_says(&errors, "must be a secret key");
    assert!(!errors.contains("canary"), "{errors}");
}

#[test]
fn a_key_in_the_clear_goes_to_this_machine_only() {
    let base = |text: &str| Given::enough().flag("gateway.stripe.api_base", text);
    for lawful in ["https://api.stripe.com", "http://127.0.0.1:12111", "http://[::1]:1", "http://localhost:12111"] {
        base(lawful).settings();
    }
    for wrong in ["http://api.stripe.com", "http://127.0.0.1.example.com", "http://simulator:12111"] {
        assert_says(&base(wrong).errors(), "plain http is for 127.0.0.1 and localhost only");
    }
    for wrong in ["ftp://127.0.0.1", "api.stripe.com", ""] {
        assert_says(&base(wrong).errors(), "must be an https:// address");
    }
    assert_says(&base("https://me:word@api.stripe.com").errors(), "must not hold a user or a password");
}

#[test]
fn a_secret_may_be_in_a_file() {
    let mut given = Given::enough();
    let path = given.written("key", "sk_live_7\n");
    given = given.flag("gateway.stripe.api_key_file", &path.display().to_string());
    assert_says(&given.errors(), "are both set: keep one");
    given.environment.remove("ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY");
    let GatewayKind::Stripe(account) = given.settings().gateway.kind else { panic!("stripe is the default") };
    assert_eq!(account.api_key.expose_secret(), "sk_live_7");
    given.written("key", "\n");
    assert_says(&given.errors(), "key, which is empty");
    std::fs::remove_file(&path).expect("it was written above");
    assert_says(&given.errors(), "key, which cannot be read");
}

#[test]
fn webhooks_need_a_secret_and_somewhere_to_be_taken() {
    let secret_of = |given: &Given| match given.settings().gateway.kind {
        GatewayKind::Stripe(account) => account.webhook_secret.map(|secret| secret.expose_secret().to_owned()),
        GatewayKind::Simulator => panic!("stripe is the default"),
    };
    let mut given = Given::enough();
    assert_eq!(secret_of(&given), None);
    let path = given.written("webhook", "whsec_7\n");
    given = given.flag("gateway.stripe.webhook_secret_file", &path.display().to_string());
    assert_eq!(secret_of(&given).as_deref(), Some("whsec_7"));
    assert_says(&given.flag("http.listen", "").errors(), "needs http.listen");
}

#[test]
fn no_secret_is_ever_shown() {
    let settings = Given::enough()
        .environment("ORDER_PAYMENTS__DATABASE__URL", &format!("postgres://me:{CANARY}@host/name"))
        .environment("ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY", &format!("sk_live_{CANARY}"))
        .environment("ORDER_PAYMENTS__GATEWAY__STRIPE__WEBHOOK_SECRET", &format!("whsec_{CANARY}"))
        .file(&format!("[kafka.client]\n\"sasl.password\" = \"{CANARY}\"\n\"ssl.key.pem\" = \"{CANARY}\""))
        .settings();
    let everything = format!("{settings:?}{settings:#?}{}", settings.show());
    assert!(!everything.contains(CANARY), "{everything}");
}

#[test]
fn no_secret_is_in_an_error() {
    let half = format!("[gateway.stripe]\napi_key = \"{CANARY}\n");
    let error = |given: Given| {
        let errors = given.load().expect_err("the settings should be refused");
        assert!(!format!("{errors}{errors:?}").contains(CANARY), "{errors}");
        errors.to_string()
    };
    assert_says(&error(Given::enough().file(&half)), "is not TOML, line 2");
    error(Given::enough().environment("ORDER_PAYMENTS__DATABASE__URL", &format!("mysql://me:{CANARY}@host")));
    error(Given::enough().environment("ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY", &format!("{CANARY} {CANARY}")));
    error(Given::enough().environment("ORDER_PAYMENTS__GATEWAY__STRIPE__WEBHOOK_SECRET", CANARY));
    error(Given::enough().flag("gateway.stripe.api_base", &format!("https://me:{CANARY}@host")));
    error(Given::enough().environment("ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEYS", CANARY));
    error(Given::enough().file(&format!("[database]\nurl = [\"{CANARY}\"]")));
}
