//! Secrets people paste by mistake, recognised by rule and replaced before anything is stored.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// One family of secrets. The pattern's group `secret`, or the whole match, is what disappears.
struct Rule {
    name: &'static str,
    pattern: Regex,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        ("private key", r"(?s)-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\z)"),
        ("AWS access key", r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
        ("AWS secret key", r#"(?i)\baws[_-]?secret[_-]?access[_-]?key["']?\s*[:=]\s*["']?(?P<secret>[A-Za-z0-9/+=]{40})"#),
        ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{40,255})\b"),
        ("GitLab token", r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[A-Za-z0-9_-]{20,}"),
        ("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}"),
        ("Slack webhook", r"https://hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9/_-]{20,})"),
        ("Discord token", r"\b[MNO][A-Za-z\d_-]{23,25}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,}\b"),
        ("Discord webhook", r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d+/(?P<secret>[A-Za-z0-9_-]{20,})"),
        ("JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        ("API key", r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)[-_][A-Za-z0-9_-]{16,}|\bsk-[A-Za-z0-9]{32,}\b"),
        ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("Azure key", r"(?i)\b(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/=]{30,})"),
        ("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("PyPI token", r"\bpypi-[A-Za-z0-9_-]{50,}"),
        ("Vault token", r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}"),
        ("Docker token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
        ("connection string", r"(?i)\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@'\x22<>]{0,100}:(?P<secret>[^\s@/'\x22<>]{2,200})@[^\s]+"),
        ("bearer token", r"(?i)\bauthorization\s*[:=]\s*[\x22']?(?:bearer|basic|token)\s+(?P<secret>[A-Za-z0-9._~+/=-]{12,})|\bbearer\s+(?P<secret2>[A-Za-z0-9._~+/=-]{24,})"),
        ("password", r#"(?i)(?:\b|_)(?:password|passwd|pwd|passphrase|client[_-]?secret|secret[_-]?key|api[_-]?key|access[_-]?token|auth[_-]?token)["']?\s*(?:[:=]|\bis\b:?)\s*["']?(?P<secret>[^\s"'`,;<>]{6,200})"#),
    ]
    .into_iter()
    .map(|(name, pattern)| Rule {
        name,
        pattern: Regex::new(pattern).expect("the rules are constant and tested"),
    })
    .collect()
});

/// What was found in a text, and the text without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    pub text: String,
    /// Names of the kinds found, each once.
    pub found: Vec<&'static str>,
}

/// Somebody else's text as it may be shown: on one line, without secrets, cut after `most` characters.
pub fn presentable(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = redact(&line).text;
    match clean.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

/// Replaces each secret by `[redacted: kind]`.
pub fn redact(text: &str) -> Redacted {
    let mut found = Vec::new();
    let mut clean = text.to_owned();
    for rule in RULES.iter() {
        let mut hit = false;
        let replaced = rule.pattern.replace_all(&clean, |captures: &Captures<'_>| {
            let whole = captures.get(0).map_or("", |m| m.as_str());
            let Some(secret) = captures.name("secret").or_else(|| captures.name("secret2")) else {
                hit = true;
                return format!("[redacted: {}]", rule.name);
            };
            if is_placeholder(rule.name, secret.as_str()) {
                return whole.to_owned();
            }
            hit = true;
            let start = captures.get(0).map_or(0, |m| m.start());
            format!("{}[redacted: {}]{}", &whole[..secret.start() - start], rule.name, &whole[secret.end() - start..])
        });
        if hit {
            clean = replaced.into_owned();
            found.push(rule.name);
        }
    }
    Redacted { text: clean, found }
}

static PERSONAL: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        ("e-mail address", r"(?i)\b[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b"),
        ("bank account", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
        ("payment card", r"\b\d(?:[ -]?\d){12,18}\b"),
        ("phone number", r"\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){6,12}\b"),
    ]
    .into_iter()
    .map(|(name, pattern)| Rule { name, pattern: Regex::new(pattern).expect("the rules are constant and tested") })
    .collect()
});

/// Replaces what leads to a person: addresses, phone numbers in international form, and numbers of bank accounts and payment
/// cards whose check digits are right (ISO 7064 MOD 97-10 and Luhn's formula).
pub fn redact_personal(text: &str) -> Redacted {
    let mut found = Vec::new();
    let mut clean = text.to_owned();
    for rule in PERSONAL.iter() {
        let mut hit = false;
        let replaced = rule.pattern.replace_all(&clean, |captures: &Captures<'_>| {
            let whole = captures.get(0).map_or("", |m| m.as_str());
            let meant = match rule.name {
                "bank account" => is_iban(whole),
                "payment card" => passes_luhn(whole),
                _ => true,
            };
            hit |= meant;
            if meant { format!("[redacted: {}]", rule.name) } else { whole.to_owned() }
        });
        if hit {
            clean = replaced.into_owned();
            found.push(rule.name);
        }
    }
    Redacted { text: clean, found }
}

fn is_iban(text: &str) -> bool {
    let signs: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    if !(15..=34).contains(&signs.len()) {
        return false;
    }
    let turned = signs[4..].iter().chain(&signs[..4]);
    turned.fold(0, |rest, sign| (rest * if *sign < 10 { 10 } else { 100 } + sign) % 97) == 1
}

fn passes_luhn(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Is it a stand-in that documentation would use, or a plain word rather than a secret?
fn is_placeholder(rule: &str, secret: &str) -> bool {
    let lower = secret.to_lowercase();
    if secret.starts_with("[redacted") {
        return true;
    }
    if ["<", "$", "{", "*", "%", "...", "…"].iter().any(|mark| secret.starts_with(mark)) {
        return true;
    }
    if ["example", "changeme", "your_", "your-", "xxxx", "placeholder"].iter().any(|word| lower.contains(word)) {
        return true;
    }
    // "the password is expired" is a sentence; "password is hunter42!" is not.
    rule == "password"
        && secret
            .trim_end_matches(['.', '?', '!', ')'])
            .chars()
            .all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-')
        && secret.len() < 20
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn personal_data_goes_where_it_is_wanted() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(redact_personal(text).text, expected);
        }
        check("write to dana.okafor+x@ashgrove.example now", "write to [redacted: e-mail address] now");
        check("call +31 20 794 0800, please", "call [redacted: phone number], please");
        check("pay to GB82 WEST 1234 5698 7654 32.", "pay to [redacted: bank account].");
        check("pay to GB83 WEST 1234 5698 7654 32.", "pay to GB83 WEST 1234 5698 7654 32.");
        check("card 4111 1111 1111 1111", "card [redacted: payment card]");
        check("build 4111111111111112 of user@host", "build 4111111111111112 of user@host");
        check("image app@sha256:0011223344, version 1.2.3+45", "image app@sha256:0011223344, version 1.2.3+45");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text).text, expected);
    }

    #[test]
    fn secrets_disappear() {
        check(
            "why does postgres://app:s3cr3t-pw@db.internal:5432/app time out",
            "why does postgres://app:[redacted: connection string]@db.internal:5432/app time out",
        );
        check("key AKIAIOSFODNN7ABCDEFG leaked", "key [redacted: AWS access key] leaked");
        check("DB_PASSWORD=correct-h0rse now", "DB_PASSWORD=[redacted: password] now");
        check("the password is hunter42!", "the password is [redacted: password]");
        check(
            "use -----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY----- ok",
            "use [redacted: private key] ok",
        );
        check(
            "curl -H 'Authorization: Bearer abcdef1234567890abcd'",
            "curl -H 'Authorization: Bearer [redacted: bearer token]'",
        );
        check("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJl", "token [redacted: JSON web token]");
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "my password is expired, what now?",
            "set password: <your password>",
            "how do I rotate DB_PASSWORD=${DB_PASSWORD}",
            "the api key endpoint returns 403",
            "https://docs.example.org/a:b@c",
            "postgres://user:<password>@host/db",
            "is the client_secret: required?",
        ] {
            check(text, text);
        }
    }

    proptest! {
        #[test]
        fn redaction_is_stable(text in "\\PC{0,300}") {
            let once = redact(&text).text;
            prop_assert_eq!(redact(&once).text, once);
        }

        #[test]
        fn a_key_never_survives(before in "[a-z ]{0,40}", body in "[A-Z0-9]{16}", after in "[a-z ]{0,40}") {
            let key = format!("AKIA{body}");
            let text = format!("{before} {key} {after}");
            prop_assert!(!redact(&text).text.contains(&key));
        }
    }
}
