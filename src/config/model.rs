//! The language model: whom to ask, how long to wait, what it may cost.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Diagnostics, keys::Keys};

/// Who answers, and in which way it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    Off,
    /// OpenAI itself, or a server that speaks like it: vLLM, llama.cpp, Azure, gateways.
    Openai,
    Anthropic,
    Ollama,
    Gemini,
}

impl ModelKind {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::Gemini => "gemini",
        }
    }

    /// The provider's own address; Ollama's is on this machine.
    pub const fn own_url(self) -> &'static str {
        match self {
            Self::Off => "",
            Self::Openai => "https://api.openai.com/v1/",
            Self::Anthropic => "https://api.anthropic.com/v1/",
            Self::Ollama => "http://127.0.0.1:11434/v1/",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta/openai/",
        }
    }

    /// Does the provider's own address answer nobody without a key?
    const fn needs_key(self) -> bool {
        matches!(self, Self::Openai | Self::Anthropic | Self::Gemini)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    pub kind: ModelKind,
    /// Empty: the provider's own address.
    pub url: String,
    pub model: String,
    pub key: SecretString,
    /// A file that holds the key, for secrets that are mounted. Empty: none.
    pub key_file: String,
    pub first_words_seconds: u64,
    /// For one answer with all attempts.
    pub timeout_seconds: u64,
    pub attempts: u32,
    /// Prices of a million tokens, in `currency`.
    pub input_price: f64,
    pub output_price: f64,
    pub currency: String,
    /// Caps for each platform and UTC day; 0: none.
    pub tokens_per_day: u64,
    pub cost_per_day: f64,
    /// Share of a cap from which on there is a warning, 0 to 1.
    pub warn_at: f64,
    /// Ask the provider to keep nothing, where it can be asked.
    pub keep_nothing: bool,
    /// Folder with the installation's own versions of prompts. Empty: none.
    pub prompts: String,
}

impl ModelSettings {
    pub fn is_on(&self) -> bool {
        self.kind != ModelKind::Off
    }

    /// The address that is asked.
    pub fn url(&self) -> &str {
        if self.url.is_empty() { self.kind.own_url() } else { &self.url }
    }

    /// Provider and model, as in `anthropic/claude-sonnet-4-5`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.kind.label(), self.model)
    }

    pub fn prompts_folder(&self) -> Option<&Path> {
        (!self.prompts.is_empty()).then(|| Path::new(&self.prompts))
    }
}

/// Reports every key that cannot be meant.
pub fn validate(model: &ModelSettings, keys: &Keys, findings: &mut Diagnostics) {
    if model.is_on() {
        whom(model, keys, findings);
        access(model, keys, findings);
    }
    limits(model, keys, findings);
    money(model, keys, findings);
}

fn whom(model: &ModelSettings, keys: &Keys, findings: &mut Diagnostics) {
    if model.model.trim().is_empty() {
        let hint = "name the model as its provider does, as in claude-sonnet-4-5";
        keys.error("model.model", "model.model is empty", hint, findings);
    }
    let url = url::Url::parse(model.url());
    let web = url.is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    });
    if !web {
        let hint = "begin it with https:// (http:// on your own network), without a name or a password in it";
        keys.error("model.url", "model.url is not an address", hint, findings);
    }
}

fn access(model: &ModelSettings, keys: &Keys, findings: &mut Diagnostics) {
    let key = model.key.expose_secret();
    match (key.is_empty(), model.key_file.is_empty()) {
        (false, false) => {
            let hint = "keep one of them: STATIONMASTER_MODEL_KEY, or the file that holds the key";
            keys.error("model.key_file", "model.key and model.key_file are both set", hint, findings);
        }
        (true, true) if model.url.is_empty() && model.kind.needs_key() => {
            let message = format!("{} needs a key", model.kind.label());
            let hint = "put it into STATIONMASTER_MODEL_KEY, or name its file in model.key_file";
            keys.error("model.key", message, hint, findings);
        }
        _ => {}
    }
    if key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let hint = "copy the key alone, without quotes, blanks and line breaks";
        keys.error("model.key", "model.key has white space in it", hint, findings);
    }
}

fn limits(model: &ModelSettings, keys: &Keys, findings: &mut Diagnostics) {
    for (key, value, usual) in [
        ("model.first_words_seconds", model.first_words_seconds, 8),
        ("model.timeout_seconds", model.timeout_seconds, 25),
        ("model.attempts", u64::from(model.attempts), 3),
    ] {
        if value == 0 {
            keys.error(key, format!("{key} is 0"), format!("the default is {usual}"), findings);
        }
    }
    if model.first_words_seconds > model.timeout_seconds {
        let key = "model.first_words_seconds";
        let hint = "model.timeout_seconds is for the whole answer: make it the longer one";
        keys.error(key, format!("{key} is above model.timeout_seconds"), hint, findings);
    }
    if !(model.warn_at > 0.0 && model.warn_at <= 1.0) {
        let message = format!("model.warn_at is {}", model.warn_at);
        let hint = "choose a share above 0 and up to 1; the default is 0.8";
        keys.error("model.warn_at", message, hint, findings);
    }
}

fn money(model: &ModelSettings, keys: &Keys, findings: &mut Diagnostics) {
    for (key, amount) in [
        ("model.input_price", model.input_price),
        ("model.output_price", model.output_price),
        ("model.cost_per_day", model.cost_per_day),
    ] {
        if !(amount.is_finite() && amount >= 0.0) {
            keys.error(key, format!("{key} is {amount}"), "an amount is 0 or more", findings);
        }
    }
    let priced = model.input_price > 0.0 || model.output_price > 0.0;
    if model.cost_per_day > 0.0 && !priced {
        let hint = "set model.input_price and model.output_price, or cap tokens with model.tokens_per_day";
        keys.error("model.cost_per_day", "model.cost_per_day caps money, but no price is set", hint, findings);
    }
    let code = &model.currency;
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        let message = format!("model.currency is {code:?}");
        keys.error("model.currency", message, "write the code of three letters (ISO 4217), as in EUR", findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Server;

    const CLAUDE: [(&str, &str); 3] = [("KIND", "anthropic"), ("MODEL", "claude-sonnet-4-5"), ("KEY", "sk-ant-abc")];

    fn load(changed: &[(&str, &str)]) -> (Option<Server>, String) {
        let mut variables: std::collections::BTreeMap<&str, &str> = CLAUDE.into();
        variables.extend(changed.iter().copied());
        let environment: Vec<_> =
            variables.iter().map(|(key, value)| (format!("STATIONMASTER_MODEL_{key}"), (*value).to_owned())).collect();
        let mut findings = Diagnostics::default();
        let server = Server::load_from(None, &environment, &mut findings);
        (server, findings.to_string())
    }

    #[test]
    fn a_model_is_off_until_it_is_chosen() {
        let server = Server::load_from(None, &[], &mut Diagnostics::default()).unwrap();
        assert!(!server.model.is_on());
        let (server, findings) = load(&[("INPUT_PRICE", "3"), ("WARN_AT", "0.5")]);
        let model = server.unwrap().model;
        assert_eq!((findings.as_str(), model.id().as_str()), ("", "anthropic/claude-sonnet-4-5"));
        assert_eq!((model.url(), model.input_price), ("https://api.anthropic.com/v1/", 3.0));
        assert!(!format!("{model:?}").contains("sk-ant"), "{model:?}");
    }

    #[test]
    fn an_address_keeps_its_query() {
        let url = "https://acme.openai.azure.com/openai/deployments/gpt/?api-version=2024-10-21";
        let (server, findings) = load(&[("KIND", "openai"), ("URL", url)]);
        assert_eq!((findings.as_str(), server.unwrap().model.url()), ("", url));
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        #[track_caller]
        fn check(changed: &[(&str, &str)], expected: &str) {
            let (_, findings) = load(changed);
            assert!(findings.matches("error:").count() == 1 && findings.contains(expected), "{findings}");
            assert!(findings.contains("hint:") && !findings.contains("sk-ant"), "{findings}");
        }
        check(&[("MODEL", "")], "model.model is empty");
        check(&[("KEY_FILE", "/run/secrets/key")], "model.key and model.key_file are both set");
        check(&[("KEY", "")], "anthropic needs a key");
        check(&[("KEY", "sk-ant abc")], "model.key has white space in it");
        check(&[("URL", "ftp://models.example/")], "model.url is not an address");
        check(&[("URL", "https://me:pw@models.example/")], "model.url is not an address");
        check(&[("KIND", "claude")], "model.kind: unknown variant");
        check(&[("COST_PER_DAY", "5")], "no price is set");
        check(&[("COST_PER_DAY", "-5"), ("INPUT_PRICE", "1")], "model.cost_per_day is -5");
        check(&[("OUTPUT_PRICE", "NaN")], "model.output_price is NaN");
        check(&[("CURRENCY", "euro")], "model.currency is");
        check(&[("WARN_AT", "80")], "model.warn_at is 80");
        check(&[("ATTEMPTS", "0")], "model.attempts is 0");
        check(&[("FIRST_WORDS_SECONDS", "30")], "is above model.timeout_seconds");
        check(&[("INPUT_PRICE", "cheap")], "STATIONMASTER_MODEL_INPUT_PRICE is not float");
    }

    #[test]
    fn a_server_of_ones_own_needs_no_key() {
        let (_, findings) = load(&[("KIND", "openai"), ("KEY", ""), ("URL", "http://127.0.0.1:8000/v1/")]);
        assert_eq!(findings, "");
        let (_, findings) = load(&[("KIND", "ollama"), ("KEY", "")]);
        assert_eq!(findings, "");
    }
}
