//! The company's login: OpenID Connect by authorization code with PKCE, as the provider announces itself.

mod discovery;
mod id_token;
mod signatures;

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

pub use self::id_token::Distrust;
use self::{
    discovery::{Announced, SecretIn},
    id_token::{Claims, Expected, Keys, Signed},
};
use super::{
    Error,
    http::{Access, Http, Service},
};
use crate::{clock::Timestamp, config::server::Oidc};

/// Where the provider sends browsers back to, below `server.public_url`.
pub const CALLBACK: &str = "/review/oidc/callback";

const NAME: &str = "the login service";
const SECRET_KEY: &str = "oidc.client_secret";

/// What a provider announced is asked for again after this time.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// A key that is not known has the keys asked for again, but not more often than this.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// What ties an answer of the provider to one login: three texts that nobody guesses.
#[derive(Clone)]
pub struct Ties {
    /// Comes back with the browser.
    pub state: String,
    /// Comes back in the ID token.
    pub nonce: String,
    /// Shown to the provider by us alone, in exchange for the token (RFC 7636).
    pub verifier: SecretString,
}

impl std::fmt::Debug for Ties {
    /// They are as good as a password until the login is over.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ties").finish_non_exhaustive()
    }
}

/// Why nobody was logged in. No token and nothing about a person stands in it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The provider does not answer, or refuses.
    #[error(transparent)]
    Provider(#[from] Error),
    #[error("the ID token is not believed: {0}")]
    Token(#[from] Distrust),
}

/// What the provider says about whoever logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub address: Option<String>,
    /// Has the provider verified the address? `None` when it does not say.
    pub is_verified: Option<bool>,
}

impl Account {
    /// Reads the claims about an account; `email_claim` is the one that holds the address.
    fn read(claims: &Map<String, Json>, email_claim: &str) -> Self {
        let address = claims.get(email_claim).and_then(Json::as_str).map(str::trim).filter(|it| it.contains('@'));
        // Some providers write it as a text.
        let said = claims.get("email_verified").filter(|said| !said.is_null());
        let is_verified = said.map(|said| said.as_bool().unwrap_or(said.as_str() == Some("true")));
        Self { address: address.map(str::to_owned), is_verified }
    }
}

/// Something of the provider's, and when it was asked for.
#[derive(Debug, Clone)]
struct Kept<T> {
    value: Arc<T>,
    at: Timestamp,
}

#[derive(Debug)]
struct Shelf<T>(RwLock<Option<Kept<T>>>);

impl<T> Shelf<T> {
    const fn empty() -> Self {
        Self(RwLock::new(None))
    }

    /// What is kept, and how long already, unless that is too long.
    fn look(&self, now: Timestamp) -> Option<(Arc<T>, Duration)> {
        let kept = self.0.read().expect("no holder of the lock panics");
        let (value, age) = kept.as_ref().map(|kept| (Arc::clone(&kept.value), now.since(kept.at)))?;
        (age < KEPT_FOR).then_some((value, age))
    }

    fn put(&self, value: T, at: Timestamp) -> Arc<T> {
        let value = Arc::new(value);
        *self.0.write().expect("no holder of the lock panics") = Some(Kept { value: Arc::clone(&value), at });
        value
    }
}

/// The provider of the company's accounts.
#[derive(Debug)]
pub struct Provider {
    settings: Oidc,
    issuer: Url,
    way_back: String,
    http: Http,
    announced: Shelf<Announced>,
    keys: Shelf<Keys>,
}

impl Provider {
    /// `public_url` is where people reach the site, without a slash at the end.
    ///
    /// # Errors
    /// When the issuer is not an address.
    pub fn new(settings: &Oidc, public_url: &str, http: &Http) -> anyhow::Result<Self> {
        signatures::install();
        Ok(Self {
            issuer: Url::parse(&settings.issuer).context("read oidc.issuer")?,
            settings: settings.clone(),
            way_back: format!("{public_url}{CALLBACK}"),
            http: http.clone(),
            announced: Shelf::empty(),
            keys: Shelf::empty(),
        })
    }

    /// Where a browser goes to log in.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn address(&self, ties: &Ties) -> Result<Url, Error> {
        let mut url = self.announced().await?.authorization_endpoint.clone();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(ties.verifier.expose_secret().as_bytes()));
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.way_back),
            ("scope", &self.settings.scopes),
            ("state", &ties.state),
            ("nonce", &ties.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url)
    }

    /// Is this the issuer that a browser came back from (RFC 9207)?
    pub fn is_called(&self, issuer: &str) -> bool {
        self.settings.issuer == issuer
    }

    /// Whose code it is that a browser came back with.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn account(&self, code: &str, ties: &Ties) -> Result<Account, Failure> {
        let announced = self.announced().await?;
        let answer = self.exchange(&announced, code, ties).await?;
        let token = answer["id_token"].as_str().ok_or(Distrust::Missing)?;
        let claims = self.believe(&announced, token, &ties.nonce).await?;
        let account = Account::read(&claims.account, &self.settings.email_claim);
        match (&announced.userinfo_endpoint, answer["access_token"].as_str()) {
            // By the specification, an address may stand there alone (OpenID Connect Core 1.0, section 5.4).
            (Some(endpoint), Some(access)) if account.address.is_none() => {
                self.asked_for(endpoint, access, &claims.sub).await
            }
            _ => Ok(account),
        }
    }

    /// Can people log in? Says with what.
    ///
    /// # Errors
    /// What is wrong with the discovery document or the keys.
    pub async fn probe(&self) -> Result<String, Error> {
        let announced = self.announced().await?;
        let keys = self.fetch_keys(&announced).await?;
        if keys.count() == 0 {
            return Err(Error::never("the provider announces no key for RS256 or ES256; look at its jwks_uri"));
        }
        let Self { settings, way_back, .. } = self;
        let count = keys.count();
        Ok(format!("{} answers; keys that can be used: {count}; to be registered there: {way_back}", settings.issuer))
    }

    async fn announced(&self) -> Result<Arc<Announced>, Error> {
        let now = self.http.clock().now();
        if let Some((announced, _)) = self.announced.look(now) {
            return Ok(announced);
        }
        let service = self.service(self.issuer.clone(), Access::None);
        let document = service.get(&[".well-known", "openid-configuration"], &[]).await?;
        Ok(self.announced.put(Announced::read(&document, &self.settings.issuer)?, now))
    }

    async fn fetch_keys(&self, announced: &Announced) -> Result<Arc<Keys>, Error> {
        let set = self.service(announced.jwks_uri.clone(), Access::None).get(&[], &[]).await?;
        Ok(self.keys.put(Keys::read(&set), self.http.clock().now()))
    }

    /// The key of a token. Providers change their keys: one that is not known is asked for once.
    async fn key(&self, announced: &Announced, signed: &Signed) -> Result<DecodingKey, Failure> {
        if let Some((keys, age)) = self.keys.look(self.http.clock().now()) {
            match keys.of(signed) {
                Some(key) => return Ok(key),
                None if age < ASK_AGAIN => return Err(Distrust::UnknownKey.into()),
                None => {}
            }
        }
        let keys = self.fetch_keys(announced).await?;
        Ok(keys.of(signed).ok_or(Distrust::UnknownKey)?)
    }

    async fn believe(&self, announced: &Announced, token: &str, nonce: &str) -> Result<Claims, Failure> {
        let signed = Signed::read(token, &announced.id_token_signing_alg_values_supported)?;
        let key = self.key(announced, &signed).await?;
        let claims = Claims::signed(token, signed.algorithm, &key)?;
        let Oidc { issuer, client_id, .. } = &self.settings;
        claims.must_be(&Expected { issuer, client: client_id, nonce, now: self.http.clock().now() })?;
        Ok(claims)
    }

    /// Gives the code for tokens.
    async fn exchange(&self, announced: &Announced, code: &str, ties: &Ties) -> Result<Json, Error> {
        let (client, secret) = (self.settings.client_id.as_str(), self.settings.client_secret.expose_secret());
        let mut form = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.way_back),
            ("code_verifier", ties.verifier.expose_secret()),
        ]);
        let access = match announced.secret_in()? {
            // Both are encoded as in a form before they are put into the header (RFC 6749, 2.3.1).
            SecretIn::Header => Access::Basic { user: encoded(client), password: encoded(secret).into() },
            SecretIn::Form => {
                form.extend([("client_id", client), ("client_secret", secret)]);
                Access::None
            }
        };
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        let answer = self.service(announced.token_endpoint.clone(), access).post_raw(&kind, body).await?;
        Ok(answer.body)
    }

    /// What the provider says about the account itself; `subject` is the one that the token is about.
    async fn asked_for(&self, endpoint: &Url, access: &str, subject: &str) -> Result<Account, Failure> {
        let service = self.service(endpoint.clone(), Access::Bearer(access.to_owned().into()));
        let told = service.get(&[], &[]).await?;
        if told["sub"].as_str() != Some(subject) {
            return Err(Distrust::Subject.into());
        }
        let nothing = Map::new();
        Ok(Account::read(told.as_object().unwrap_or(&nothing), &self.settings.email_claim))
    }

    fn service(&self, base: Url, access: Access) -> Service {
        Service::new(&self.http, NAME, base, access, SECRET_KEY, &[])
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_is_read_as_providers_write_it() {
        #[track_caller]
        fn check(claims: &Json, address: Option<&str>, is_verified: Option<bool>) {
            let account = Account::read(claims.as_object().unwrap(), "email");
            assert_eq!(account, Account { address: address.map(str::to_owned), is_verified }, "{claims}");
        }
        check(&json!({"email": " a@b.example ", "email_verified": true}), Some("a@b.example"), Some(true));
        check(&json!({"email": "a@b.example", "email_verified": "true"}), Some("a@b.example"), Some(true));
        check(&json!({"email": "a@b.example", "email_verified": "yes"}), Some("a@b.example"), Some(false));
        check(&json!({"email": "a@b.example", "email_verified": 1}), Some("a@b.example"), Some(false));
        check(&json!({"email": "a@b.example"}), Some("a@b.example"), None);
        check(&json!({"email": "a@b.example", "email_verified": null}), Some("a@b.example"), None);
        check(&json!({"email": "olga"}), None, None);
        check(&json!({"email": ["a@b.example"]}), None, None);
    }
}
