//! Signatures over webhooks: Standard Webhooks in both directions, and the `sha256=…` that GitHub and Jira send.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::Headers;
use crate::clock::Timestamp;

/// How far a signed time may lie from ours, as the libraries of Standard Webhooks have it.
pub const REPLAY_WINDOW: Duration = Duration::from_mins(5);

/// What a secret begins with when the rest is base64.
const PREFIX: &str = "whsec_";

/// Why a request from outside is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no secret is set to check signatures with")]
    NoSecret,
    #[error("the signature is missing")]
    Unsigned,
    #[error("the signature does not match")]
    Forged,
    #[error("it was signed too long ago, or the clocks differ")]
    Stale,
    #[error("the body is not what it should be")]
    Unreadable,
}

/// What can be wrong with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    #[error("the webhook secret is empty")]
    Empty,
    #[error("what follows whsec_ in the webhook secret is not base64")]
    NotBase64,
}

/// A key of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`).
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Key {
    /// `whsec_` and base64, or any other text, which is taken as its bytes.
    ///
    /// # Errors
    /// When it is empty, or begins with `whsec_` and goes on with something else than base64.
    pub fn new(secret: &SecretString) -> Result<Self, BadSecret> {
        let text = secret.expose_secret().trim();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| BadSecret::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() { Err(BadSecret::Empty) } else { Ok(Self(bytes)) }
    }

    /// The value of `webhook-signature`: `v1,` and the base64 of the HMAC over `id.timestamp.body`; `seconds` since 1970.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(id, seconds, body).finalize().into_bytes()))
    }

    /// Checks `webhook-id`, `webhook-timestamp` and `webhook-signature`, any one of whose signatures has to match. Returns the id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify<'a>(&self, headers: &'a Headers, body: &[u8], now: Timestamp) -> Result<&'a str, Refusal> {
        let header = |name: &str| headers.get(name).map(String::as_str).ok_or(Refusal::Unsigned);
        let (id, time, signatures) =
            (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
        let seconds: i64 = time.parse().map_err(|_| Refusal::Unsigned)?;
        let signed = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        if now.since(signed).max(signed.since(now)) > REPLAY_WINDOW {
            return Err(Refusal::Stale);
        }
        let matches = signatures
            .split_whitespace()
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            // Takes the same time wherever the first difference is.
            .any(|signature| self.mac(id, seconds, body).verify_slice(&signature).is_ok());
        if matches { Ok(id) } else { Err(Refusal::Forged) }
    }

    fn mac(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = hmac(&self.0);
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        mac
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Checks `sha256=` and the hexadecimal HMAC of the body (WebSub, section 8), as GitHub sends it in `x-hub-signature-256` and
/// Jira in `x-hub-signature`.
///
/// # Errors
/// [`Refusal`].
pub fn verify_body(signature: Option<&String>, body: &[u8], secret: &SecretString) -> Result<(), Refusal> {
    let secret = secret.expose_secret();
    if secret.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let hexadecimal = signature.and_then(|text| text.strip_prefix("sha256=")).ok_or(Refusal::Unsigned)?;
    let signature = hex::decode(hexadecimal).map_err(|_| Refusal::Forged)?;
    let mut mac = hmac(secret.as_bytes());
    mac.update(body);
    mac.verify_slice(&signature).map_err(|_| Refusal::Forged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The vector in the tests of the reference libraries of Standard Webhooks.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn key(secret: &str) -> Key {
        Key::new(&SecretString::from(secret)).unwrap()
    }

    fn headers(signature: &str) -> Headers {
        [("webhook-id", ID), ("webhook-timestamp", &SECONDS.to_string()), ("webhook-signature", signature)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_published_vector_is_met() {
        assert_eq!(key(SECRET).sign(ID, SECONDS, BODY), SIGNATURE);
        assert_eq!(key(SECRET).verify(&headers(SIGNATURE), BODY, at(SECONDS)), Ok(ID));
    }

    #[test]
    fn only_what_is_signed_and_fresh_is_taken() {
        #[track_caller]
        fn check(signature: &str, body: &[u8], now: i64, expected: Result<&str, Refusal>) {
            assert_eq!(key(SECRET).verify(&headers(signature), body, at(now)), expected);
        }
        check(SIGNATURE, BODY, SECONDS + 300, Ok(ID));
        check(SIGNATURE, BODY, SECONDS - 300, Ok(ID));
        check(SIGNATURE, BODY, SECONDS + 301, Err(Refusal::Stale));
        check(SIGNATURE, BODY, SECONDS - 301, Err(Refusal::Stale));
        check(&format!("v1,AAAA v1a,xx {SIGNATURE}"), BODY, SECONDS, Ok(ID));
        check(SIGNATURE, b"{}", SECONDS, Err(Refusal::Forged));
        check("v1,AAAA", BODY, SECONDS, Err(Refusal::Forged));
        check(&SIGNATURE.replace("v1,", "v2,"), BODY, SECONDS, Err(Refusal::Forged));
        check("", BODY, SECONDS, Err(Refusal::Forged));
        let mut without = headers(SIGNATURE);
        without.remove("webhook-timestamp");
        assert_eq!(key(SECRET).verify(&without, BODY, at(SECONDS)), Err(Refusal::Unsigned));
    }

    #[test]
    fn secrets_are_checked() {
        #[track_caller]
        fn check(secret: &str, expected: Option<BadSecret>) {
            assert_eq!(Key::new(&SecretString::from(secret)).err(), expected);
        }
        check("", Some(BadSecret::Empty));
        check("whsec_", Some(BadSecret::Empty));
        check("whsec_not base64", Some(BadSecret::NotBase64));
        check("any other text", None);
    }

    #[test]
    fn bodies_signed_by_github_are_taken() {
        // The example of docs.github.com, "Validating webhook deliveries".
        let secret = SecretString::from("It's a Secret to Everybody");
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".to_owned();
        let check = |signature: Option<&String>, body: &[u8]| verify_body(signature, body, &secret);
        assert_eq!(check(Some(&signature), b"Hello, World!"), Ok(()));
        assert_eq!(check(Some(&signature), b"Hello, World?"), Err(Refusal::Forged));
        assert_eq!(check(Some(&"sha256=zz".to_owned()), b"Hello, World!"), Err(Refusal::Forged));
        assert_eq!(check(Some(&"sha1=00".to_owned()), b"Hello, World!"), Err(Refusal::Unsigned));
        assert_eq!(check(None, b"Hello, World!"), Err(Refusal::Unsigned));
        assert_eq!(verify_body(Some(&signature), b"", &SecretString::from("")), Err(Refusal::NoSecret));
    }

    proptest! {
        /// What is signed verifies, and no change of one byte of it does.
        #[test]
        fn every_byte_counts(body in prop::collection::vec(any::<u8>(), 1..200), place in any::<prop::sample::Index>()) {
            let signed = headers(&key("secret").sign(ID, SECONDS, &body));
            prop_assert_eq!(key("secret").verify(&signed, &body, at(SECONDS)), Ok(ID));
            let mut changed = body.clone();
            changed[place.index(body.len())] ^= 1;
            prop_assert_eq!(key("secret").verify(&signed, &changed, at(SECONDS)), Err(Refusal::Forged));
        }
    }
}
