//! What a provider announces about itself (OpenID Connect Discovery 1.0), and whether that is enough to log in with.

use serde::Deserialize;
use serde_json::Value as Json;
use url::Url;

use crate::outside::{Error, presentable};

/// Ways in which this client can show its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretIn {
    /// `client_secret_basic`
    Header,
    /// `client_secret_post`
    Form,
}

/// The discovery document, as far as it is used.
#[derive(Debug, Clone, Deserialize)]
pub struct Announced {
    issuer: String,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub userinfo_endpoint: Option<Url>,
    #[serde(default = "rs256")]
    pub id_token_signing_alg_values_supported: Vec<String>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What every provider has to support.
fn rs256() -> Vec<String> {
    vec!["RS256".to_owned()]
}

impl Announced {
    /// Reads the document of `issuer`.
    ///
    /// # Errors
    /// What keeps people from logging in, with what to do about it.
    pub fn read(document: &Json, issuer: &str) -> Result<Self, Error> {
        let announced = Self::deserialize(document).map_err(|_| {
            Error::never(
                "the discovery document misses an address or has a wrong one; is oidc.issuer the provider's issuer?",
            )
        })?;
        announced.must_serve(issuer)?;
        Ok(announced)
    }

    fn must_serve(&self, issuer: &str) -> Result<(), Error> {
        if self.issuer != issuer {
            let own = presentable(&self.issuer);
            return Err(Error::never(format!("the provider calls itself {own}; set oidc.issuer to exactly that")));
        }
        let here = Url::parse(issuer).ok().filter(|url| url.scheme() == "http").map(|url| url.origin());
        let addresses = [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri];
        for url in addresses.into_iter().chain(&self.userinfo_endpoint) {
            if url.scheme() != "https" && Some(url.origin()) != here {
                return Err(Error::never("the provider announces an address without https; have that mended there"));
            }
        }
        if !self.id_token_signing_alg_values_supported.iter().any(|it| matches!(it.as_str(), "RS256" | "ES256")) {
            return Err(Error::never("the provider signs neither with RS256 nor with ES256; choose one of them there"));
        }
        if self.code_challenge_methods_supported.as_ref().is_some_and(|known| !known.iter().any(|it| it == "S256")) {
            return Err(Error::never("the provider does not know PKCE with S256; switch it on there"));
        }
        self.secret_in().map(drop)
    }

    /// Where the client's secret goes.
    ///
    /// # Errors
    /// When the provider takes it in neither way.
    pub fn secret_in(&self) -> Result<SecretIn, Error> {
        // By the specification, the header is what a provider takes that says nothing.
        let Some(known) = &self.token_endpoint_auth_methods_supported else { return Ok(SecretIn::Header) };
        let knows = |name: &str| known.iter().any(|method| method == name);
        if knows("client_secret_basic") {
            Ok(SecretIn::Header)
        } else if knows("client_secret_post") {
            Ok(SecretIn::Form)
        } else {
            Err(Error::never("the provider takes no client secret; allow client_secret_basic for this client there"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://login.acme.example/realms/acme";

    #[test]
    fn what_is_announced_has_to_be_enough() {
        #[track_caller]
        fn check(changes: &Json, expected: &str) {
            let mut document = json!({
                "issuer": ISSUER,
                "authorization_endpoint": "https://login.acme.example/auth",
                "token_endpoint": "https://login.acme.example/token",
                "jwks_uri": "https://login.acme.example/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            });
            for (name, value) in changes.as_object().unwrap() {
                document[name] = value.clone();
            }
            let said = Announced::read(&document, ISSUER).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{changes}: {said}");
        }
        check(&json!({}), "");
        check(&json!({"issuer": "https://login.acme.example/realms/acme/"}), "set oidc.issuer to exactly that");
        check(&json!({"token_endpoint": "http://login.acme.example/token"}), "without https");
        check(&json!({"userinfo_endpoint": "ftp://login.acme.example/"}), "without https");
        check(&json!({"jwks_uri": "keys"}), "misses an address");
        check(&json!({"id_token_signing_alg_values_supported": ["HS256", "RS512"]}), "neither with RS256");
        check(&json!({"id_token_signing_alg_values_supported": ["ES256"]}), "");
        check(&json!({"code_challenge_methods_supported": ["plain"]}), "PKCE");
        check(&json!({"code_challenge_methods_supported": ["plain", "S256"]}), "");
        check(&json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}), "");
        check(&json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}), "takes no client secret");
    }
}
