//! ID tokens: whose signature they bear, and whether what they say was said to us, now, and about this login
//! (OpenID Connect Core 1.0, section 3.1.3.7).

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::clock::Timestamp;

/// How far the provider's clock may be from ours.
const SKEW: Duration = Duration::from_mins(1);

/// Keys of a provider that are looked at.
const MOST_KEYS: usize = 100;

/// Why an ID token is not believed. Nothing of the token stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("there is none in the answer")]
    Missing,
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is signed in a way that is not taken, or that the provider does not announce")]
    Algorithm,
    #[error("its header asks for what is not understood here (crit)")]
    Critical,
    #[error("it is signed with a key that the provider does not announce")]
    UnknownKey,
    #[error("its signature does not match")]
    Signature,
    #[error("it is from another issuer than oidc.issuer")]
    Issuer,
    #[error("it is not for oidc.client_id")]
    Audience,
    #[error("it has expired, or the clocks differ")]
    Expired,
    #[error("it is from the future; the clocks differ")]
    NotYet,
    #[error("it belongs to another login (nonce)")]
    Nonce,
    #[error("the provider tells about another account than the token does (sub)")]
    Subject,
}

/// What the header of a token says about its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub algorithm: Algorithm,
    /// The name of the key.
    pub key: Option<String>,
}

impl Signed {
    /// Reads the header. `announced` are the algorithms of the provider, as JSON Web Algorithms are called.
    ///
    /// # Errors
    /// [`Distrust`], also for algorithms other than RS256 and ES256: `none` and shared secrets among them.
    pub fn read(token: &str, announced: &[String]) -> Result<Self, Distrust> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Distrust::Unreadable)?;
        let name = match header.alg {
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            _ => return Err(Distrust::Algorithm),
        };
        if !announced.iter().any(|algorithm| algorithm == name) {
            return Err(Distrust::Algorithm);
        }
        if header.crit.is_some() {
            return Err(Distrust::Critical);
        }
        Ok(Self { algorithm: header.alg, key: header.kid })
    }
}

/// The keys that a provider signs with.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Jwk>);

impl Keys {
    /// Reads a JSON Web Key Set (RFC 7517). Keys of kinds that are not known here are left out.
    pub fn read(set: &Json) -> Self {
        let keys = set["keys"].as_array().into_iter().flatten().take(MOST_KEYS);
        let keys = keys.filter_map(|key| Jwk::deserialize(key).ok());
        Self(keys.filter(|key| [Algorithm::RS256, Algorithm::ES256].iter().any(|known| suits(key, *known))).collect())
    }

    /// How many keys a token can be signed with.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The key of a token: the one it names, or the only one of its kind when it names none.
    pub fn of(&self, signed: &Signed) -> Option<DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| suits(key, signed.algorithm));
        let key = match &signed.key {
            Some(name) => fitting.find(|key| key.common.key_id.as_ref() == Some(name))?,
            None => fitting.next().filter(|_| fitting.next().is_none())?,
        };
        DecodingKey::from_jwk(key).ok()
    }
}

/// Can the key have made a signature of this kind, and is it meant to?
fn suits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        _ => false,
    };
    let common = &key.common;
    kind && common.key_algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm))
        && common.public_key_use.as_ref().is_none_or(|own| *own == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|own| own.contains(&KeyOperations::Verify))
}

/// One or several, as `aud` is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// What a token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Claims {
    iss: String,
    pub sub: String,
    aud: OneOrMany,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    /// Everything else, about the account.
    #[serde(flatten)]
    pub account: Map<String, Json>,
}

/// What a token has to say to be believed.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

impl Claims {
    /// What a token says, if `key` signed it. When, to whom and about what it was said is [`Self::must_be`]'s to judge: by
    /// our own clock.
    ///
    /// # Errors
    /// [`Distrust`]
    pub fn signed(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Distrust> {
        let mut only_signature = Validation::new(algorithm);
        only_signature.required_spec_claims.clear();
        only_signature.validate_exp = false;
        only_signature.validate_aud = false;
        jsonwebtoken::decode(token, key, &only_signature).map(|token| token.claims).map_err(|error| {
            match error.kind() {
                ErrorKind::InvalidSignature => Distrust::Signature,
                ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Distrust::Algorithm,
                _ => Distrust::Unreadable,
            }
        })
    }

    /// # Errors
    /// [`Distrust`]: what is not as expected.
    pub fn must_be(&self, expected: &Expected) -> Result<(), Distrust> {
        let Expected { issuer, client, nonce, now } = *expected;
        if self.iss != issuer {
            return Err(Distrust::Issuer);
        }
        if !self.is_for(client) {
            return Err(Distrust::Audience);
        }
        #[expect(clippy::cast_precision_loss, reason = "whole microseconds are exact up to the year 2255")]
        let now = now.micros() as f64 / 1e6;
        let skew = SKEW.as_secs_f64();
        if now >= self.exp + skew {
            return Err(Distrust::Expired);
        }
        if self.iat > now + skew || self.nbf.is_some_and(|from| from > now + skew) {
            return Err(Distrust::NotYet);
        }
        if self.nonce.as_deref() == Some(nonce) { Ok(()) } else { Err(Distrust::Nonce) }
    }

    /// Among several audiences ours must be the one that the token was made for (`azp`).
    fn is_for(&self, client: &str) -> bool {
        let (named, alone) = match &self.aud {
            OneOrMany::One(one) => (one == client, true),
            OneOrMany::Many(many) => (many.iter().any(|one| one == client), many.len() == 1),
        };
        let made_for_us = self.azp.as_deref().map_or(alone, |azp| azp == client);
        named && made_for_us
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_778_580_000_000_000);
    const SECONDS: i64 = 1_778_580_000;

    fn said() -> Json {
        json!({
            "iss": "https://login.acme.example", "sub": "7", "aud": "desk", "nonce": "n", "iat": SECONDS,
            "exp": SECONDS + 300, "email": "olga@acme.example",
        })
    }

    fn judge(claims: Json) -> Result<(), Distrust> {
        let claims: Claims = serde_json::from_value(claims).map_err(|_| Distrust::Unreadable)?;
        claims.must_be(&Expected { issuer: "https://login.acme.example", client: "desk", nonce: "n", now: NOW })
    }

    #[test]
    fn every_claim_counts() {
        #[track_caller]
        fn check(changes: &Json, expected: Result<(), Distrust>) {
            let mut claims = said();
            for (name, value) in changes.as_object().unwrap() {
                match value {
                    Json::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                    value => claims[name] = value.clone(),
                }
            }
            assert_eq!(judge(claims), expected, "{changes}");
        }
        check(&json!({}), Ok(()));
        check(&json!({"iss": "https://login.acme.example/"}), Err(Distrust::Issuer));
        check(&json!({"iss": null}), Err(Distrust::Unreadable));
        check(&json!({"sub": null}), Err(Distrust::Unreadable));
        check(&json!({"aud": "other"}), Err(Distrust::Audience));
        check(&json!({"aud": []}), Err(Distrust::Audience));
        check(&json!({"aud": ["desk"]}), Ok(()));
        check(&json!({"aud": ["desk", "other"]}), Err(Distrust::Audience));
        check(&json!({"aud": ["desk", "other"], "azp": "desk"}), Ok(()));
        check(&json!({"aud": ["desk", "other"], "azp": "other"}), Err(Distrust::Audience));
        check(&json!({"azp": "other"}), Err(Distrust::Audience));
        check(&json!({"exp": SECONDS - 59}), Ok(()));
        check(&json!({"exp": SECONDS - 60}), Err(Distrust::Expired));
        check(&json!({"exp": null}), Err(Distrust::Unreadable));
        check(&json!({"exp": "tomorrow"}), Err(Distrust::Unreadable));
        check(&json!({"iat": SECONDS + 60}), Ok(()));
        check(&json!({"iat": SECONDS + 61}), Err(Distrust::NotYet));
        check(&json!({"iat": null}), Err(Distrust::Unreadable));
        check(&json!({"nbf": SECONDS + 61}), Err(Distrust::NotYet));
        check(&json!({"nonce": "m"}), Err(Distrust::Nonce));
        check(&json!({"nonce": null}), Err(Distrust::Nonce));
    }

    fn token(header: &Json) -> String {
        let encode = |part: &Json| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}.{}", encode(header), encode(&said()), URL_SAFE_NO_PAD.encode("signature"))
    }

    #[test]
    fn only_announced_signatures_are_looked_at() {
        #[track_caller]
        fn check(header: &Json, announced: &[&str], expected: Result<(), Distrust>) {
            let announced: Vec<String> = announced.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(Signed::read(&token(header), &announced).map(drop), expected, "{header}");
        }
        check(&json!({"alg": "RS256", "kid": "a"}), &["RS256"], Ok(()));
        check(&json!({"alg": "ES256"}), &["RS256", "ES256"], Ok(()));
        check(&json!({"alg": "ES256"}), &["RS256"], Err(Distrust::Algorithm));
        check(&json!({"alg": "HS256"}), &["RS256", "HS256"], Err(Distrust::Algorithm));
        check(&json!({"alg": "RS512"}), &["RS512"], Err(Distrust::Algorithm));
        check(&json!({"alg": "none"}), &["none"], Err(Distrust::Unreadable));
        check(&json!({"alg": "RS256", "crit": ["b64"], "b64": false}), &["RS256"], Err(Distrust::Critical));
    }

    #[test]
    fn a_key_is_found_by_name_and_kind() {
        #[track_caller]
        fn check(keys: &[Json], algorithm: Algorithm, name: Option<&str>, expected: bool) {
            let keys = Keys::read(&json!({ "keys": keys }));
            let signed = Signed { algorithm, key: name.map(str::to_owned) };
            assert_eq!(keys.of(&signed).is_some(), expected, "{name:?} of {keys:?}");
        }
        let rsa = |kid: &str| json!({"kty": "RSA", "n": "sXch", "e": "AQAB", "kid": kid, "use": "sig"});
        let ec = |curve: &str| json!({"kty": "EC", "crv": curve, "x": "AA", "y": "AA", "kid": "e"});
        let (rs, es) = (Algorithm::RS256, Algorithm::ES256);
        check(&[rsa("a"), rsa("b")], rs, Some("b"), true);
        check(&[rsa("a"), rsa("b")], rs, Some("c"), false);
        check(&[rsa("a"), rsa("b")], rs, None, false);
        check(&[rsa("a"), ec("P-256")], rs, None, true);
        check(&[rsa("a"), ec("P-256")], es, Some("a"), false);
        check(&[ec("P-384")], es, Some("e"), false);
        let mut encrypting = rsa("a");
        encrypting["use"] = json!("enc");
        check(&[encrypting], rs, Some("a"), false);
        let mut stronger = rsa("a");
        stronger["alg"] = json!("RS512");
        check(&[stronger], rs, Some("a"), false);
        // What nobody here knows does not hide the others.
        check(&[json!({"kty": "LATTICE"}), json!(7), rsa("a")], rs, Some("a"), true);
    }

    proptest! {
        #[test]
        fn no_text_is_a_token(text in "\\PC*") {
            prop_assert!(Signed::read(&text, &["RS256".to_owned()]).is_err());
        }

        #[test]
        fn a_token_is_believed_for_its_time_alone(exp in -1000_i64..1000, iat in -1000_i64..1000) {
            let mut claims = said();
            claims["exp"] = json!(SECONDS + exp);
            claims["iat"] = json!(SECONDS + iat);
            prop_assert_eq!(judge(claims).is_ok(), exp > -60 && iat <= 60);
        }
    }
}
