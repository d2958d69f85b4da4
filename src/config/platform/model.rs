//! `model` of platform.yaml: how far a language model is used, where the installation has one.

use std::path::Path;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::super::Diagnostics;

/// How far a platform uses a language model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelUse {
    pub enabled: bool,
    /// May it be asked about what is said in direct messages?
    pub direct_messages: bool,
    /// Most tokens of one day (UTC), in place of the server's cap; 0: no cap.
    pub tokens_per_day: Option<u64>,
    /// Most money of one day (UTC), in the server's currency, in place of the server's cap; 0: no cap.
    pub cost_per_day: Option<f64>,
}

impl Default for ModelUse {
    fn default() -> Self {
        Self { enabled: true, direct_messages: true, tokens_per_day: None, cost_per_day: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    enabled: Option<bool>,
    direct_messages: Option<bool>,
    tokens_per_day: Option<u64>,
    cost_per_day: Option<Spanned<f64>>,
}

/// Checks the section; what is wrong in it is left out.
pub(super) fn check(file: &Path, section: ModelFile, findings: &mut Diagnostics) -> ModelUse {
    let ModelFile { enabled, direct_messages, tokens_per_day, cost_per_day } = section;
    let usual = ModelUse::default();
    let cost_per_day = cost_per_day.and_then(|cost| {
        if cost.value.is_finite() && cost.value >= 0.0 {
            return Some(cost.value);
        }
        let line = Some(cost.referenced.line());
        findings.error(
            file,
            line,
            "model.cost_per_day is no amount of money",
            "write a number of 0 or more, as in 2.50",
        );
        None
    });
    ModelUse {
        enabled: enabled.unwrap_or(usual.enabled),
        direct_messages: direct_messages.unwrap_or(usual.direct_messages),
        tokens_per_day,
        cost_per_day,
    }
}
