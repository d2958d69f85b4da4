//! Logging in to the review site with the company's account: an attempt belongs to one browser, and the address that the
//! provider has verified says who it is.

use std::time::Duration;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use url::Url;

use super::{Core, UserError, login, people};
use crate::{
    clock::{Clock, Timestamp},
    config::server::EmailVerified,
    domain::people::Person,
    outside::{
        self,
        oidc::{Account, Failure, Provider, Ties},
    },
    store::{self, Tx},
};

/// How long somebody may take to log in at the provider.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the company's login is off")]
    Off,
    /// The answer belongs to no attempt of this browser, or comes too late.
    #[error("no attempt of this browser fits")]
    Lost,
    /// The provider says no.
    #[error("the provider did not let them in")]
    Denied,
    #[error("the provider cannot be used")]
    Unavailable,
    #[error("the provider's answer is not accepted")]
    Rejected,
    #[error("the account has no address")]
    NoAddress,
    #[error("the account's address is not verified")]
    Unverified,
    /// Nobody here has the address.
    #[error("nobody has the account's address")]
    Unknown(String),
    /// Several have it, and nothing says that they are one person.
    #[error("several have the account's address")]
    Several(String),
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl Refused {
    /// What whoever wanted to log in is told.
    pub fn words(&self) -> UserError {
        const LINK: &str = "Or log in with a link from chat.";
        let (message, next) = match self {
            Self::Off => ("There is no login with the company's account here.", "Log in with a link from chat.".into()),
            Self::Lost => (
                "This login began in another browser, or more than ten minutes ago, or was used already.",
                "Begin again on the login page.".into(),
            ),
            Self::Denied => (
                "The company's login did not let you in.",
                format!("Try again, or ask whoever looks after the company's accounts. {LINK}"),
            ),
            Self::Unavailable => {
                ("The company's login cannot be used right now.", format!("Try again in a moment. {LINK}"))
            }
            Self::Rejected => (
                "The company's login gave an answer that cannot be accepted.",
                format!("Try again. If that does not help, tell whoever runs the bot: its log has the reason. {LINK}"),
            ),
            Self::NoAddress => (
                "Your account at the company's login shows no e-mail address.",
                format!("Ask whoever looks after the company's accounts. {LINK}"),
            ),
            Self::Unverified => (
                "The e-mail address of your account at the company's login is not verified.",
                format!("Verify it there, or ask whoever looks after the company's accounts. {LINK}"),
            ),
            Self::Unknown(address) => {
                let next = format!("Ask an owner of your platform to enter it as your email in platform.yaml. {LINK}");
                return UserError::new(format!("Nobody here is known by the address {address}."), next);
            }
            Self::Several(address) => {
                let next = format!("Make them one with the command link in chat. {LINK}");
                return UserError::new(format!("Several chat accounts have the address {address}."), next);
            }
            Self::Internal(_) => ("Something on my side failed.", "Try again in a moment.".into()),
        };
        UserError::new(message, next)
    }
}

/// Makes and recognises what a browser carries through a login. The secret is the client's: all processes share it, and
/// the provider never sees what is made with it.
struct Seal<'a>(&'a SecretString);

impl Seal<'_> {
    /// `purpose` keeps what is made for one thing from being taken for another.
    fn mac(&self, purpose: &str, text: &str) -> Hmac<Sha256> {
        let key = self.0.expose_secret().as_bytes();
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.chain_update("stationmaster login\0").chain_update(purpose).chain_update("\0").chain_update(text)
    }

    fn text(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, text).finalize().into_bytes())
    }
}

/// One attempt to log in. Its browser carries it in a cookie that nobody else can write.
#[derive(Clone, PartialEq, Eq)]
struct Attempt {
    /// 32 random bytes. What ties the provider's answer to this attempt is derived from them.
    seed: String,
    until: Timestamp,
    /// The page to show in the end.
    path: String,
}

impl Attempt {
    fn begin(clock: &dyn Clock, path: &str) -> Self {
        let until = clock.now().plus(ATTEMPT_LIFETIME);
        Self { seed: login::new_secret(clock), until, path: login::page_of(path) }
    }

    fn ties(&self, seal: &Seal) -> Ties {
        Ties {
            state: seal.text("state", &self.seed),
            nonce: seal.text("nonce", &self.seed),
            verifier: seal.text("verifier", &self.seed).into(),
        }
    }

    /// `seed.until.path` in base64, a dot, and the signature over it in base64.
    fn to_cookie(&self, seal: &Seal) -> String {
        let body = format!("{}.{}.{}", self.seed, self.until.micros(), self.path);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), seal.text("cookie", &body))
    }

    /// `None` when it was not made here, or is too old.
    fn from_cookie(cookie: &str, seal: &Seal, now: Timestamp) -> Option<Self> {
        let (body, signature) = cookie.split_once('.')?;
        let body = String::from_utf8(URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        seal.mac("cookie", &body).verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let mut parts = body.splitn(3, '.');
        let (seed, until, path) = (parts.next()?, parts.next()?, parts.next()?);
        let until = Timestamp::from_micros(until.parse().ok()?);
        (now < until).then(|| Self { seed: seed.to_owned(), until, path: login::page_of(path) })
    }
}

/// Where a browser goes, and what it carries along.
#[derive(Debug)]
pub struct Departure {
    pub address: Url,
    pub cookie: String,
}

/// What a browser came back with.
#[derive(Debug, Default)]
pub struct Return {
    pub state: String,
    /// As good as a password until it is used.
    pub code: Option<SecretString>,
    /// The provider's word for what went wrong.
    pub error: Option<String>,
    pub issuer: Option<String>,
}

/// Begins to log somebody in, who wants to see the page `path`.
///
/// # Errors
/// [`Refused`]
pub async fn depart(core: &Core, path: &str) -> Result<Departure, Refused> {
    let provider = core.oidc.as_ref().ok_or(Refused::Off)?;
    let attempt = Attempt::begin(&*core.clock, path);
    let seal = Seal(&core.config.server.oidc.client_secret);
    let address = provider.address(&attempt.ties(&seal)).await.map_err(|error| {
        tracing::warn!(%error, "Nobody can log in with the company's account.");
        Refused::Unavailable
    })?;
    Ok(Departure { address, cookie: attempt.to_cookie(&seal) })
}

/// Logs in whoever came back. Returns the token of their session and the page to show.
///
/// # Errors
/// [`Refused`]
pub async fn arrive(core: &Core, back: &Return, cookie: Option<&str>) -> Result<(String, String), Refused> {
    let provider = core.oidc.as_ref().ok_or(Refused::Off)?;
    let seal = Seal(&core.config.server.oidc.client_secret);
    let attempt = cookie.and_then(|cookie| Attempt::from_cookie(cookie, &seal, core.clock.now()));
    let attempt = attempt.ok_or(Refused::Lost)?;
    let ties = attempt.ties(&seal);
    let code = code_of(provider, back, &ties)?;
    let account = provider.account(code, &ties).await.map_err(|error| refused_by(&error))?;
    let address = address_of(account, core.config.server.oidc.email_verified)?;
    let mut tx = core.db.write_urgently().await?;
    let person = person_with(core, &mut tx, address).await?;
    let token = login::begin(core, &mut tx, &person, "oidc").await?;
    core.db.commit(tx).await.context("commit the session")?;
    Ok((token, attempt.path))
}

/// The code that a browser came back with, if its answer belongs to the attempt.
fn code_of<'a>(provider: &Provider, back: &'a Return, ties: &Ties) -> Result<&'a str, Refused> {
    if !login::is_same(&back.state, &ties.state) {
        return Err(Refused::Lost);
    }
    if back.issuer.as_ref().is_some_and(|issuer| !provider.is_called(issuer)) {
        tracing::warn!("An answer to a login came from another issuer than oidc.issuer.");
        return Err(Refused::Rejected);
    }
    if let Some(error) = &back.error {
        // The words of RFC 6749, and nothing else that somebody may have put there.
        let word: String = error.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(40).collect();
        tracing::warn!(error = word, "The company's login did not let somebody in.");
        return Err(Refused::Denied);
    }
    back.code.as_ref().map(SecretString::expose_secret).filter(|code| !code.is_empty()).ok_or(Refused::Rejected)
}

fn refused_by(failure: &Failure) -> Refused {
    tracing::warn!(error = %failure, "A login with the company's account failed.");
    match failure {
        Failure::Provider(outside::Error::Later { .. }) => Refused::Unavailable,
        Failure::Provider(outside::Error::Never { .. }) | Failure::Token(_) => Refused::Rejected,
    }
}

/// The address that may be believed.
fn address_of(account: Account, verified: EmailVerified) -> Result<String, Refused> {
    let address = account.address.ok_or(Refused::NoAddress)?;
    match (account.is_verified, verified) {
        (Some(true), _) | (None, EmailVerified::UnlessDenied) => Ok(address),
        (Some(false), _) | (None, EmailVerified::Required) => Err(Refused::Unverified),
    }
}

async fn person_with(core: &Core, tx: &mut Tx, address: String) -> Result<Person, Refused> {
    let mut known = people::with_address(core, tx, &address).await?;
    match (known.pop(), known.is_empty()) {
        (Some(person), true) => Ok(person),
        (Some(_), false) => Err(Refused::Several(address)),
        (None, _) => Err(Refused::Unknown(address)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    const START: Timestamp = Timestamp::from_micros(1_778_580_000_000_000);

    #[test]
    fn a_cookie_is_good_for_ten_minutes_and_for_its_maker() {
        let clock = ManualClock::starting_at(START);
        let (ours, theirs) = (SecretString::from("ours"), SecretString::from("theirs"));
        let (ours, theirs) = (Seal(&ours), Seal(&theirs));
        let attempt = Attempt::begin(&clock, "/review/p/harbor?q=a.b");
        let cookie = attempt.to_cookie(&ours);
        let read = |cookie: &str, seal: &Seal| Attempt::from_cookie(cookie, seal, clock.now());
        assert!(read(&cookie, &ours).is_some_and(|read| read == attempt));
        assert!(read(&cookie, &theirs).is_none());
        assert!(read(&attempt.to_cookie(&theirs), &ours).is_none());
        clock.go_to(Timestamp::from_micros(attempt.until.micros() - 1));
        assert!(read(&cookie, &ours).is_some());
        clock.go_to(attempt.until);
        assert!(read(&cookie, &ours).is_none());
    }

    #[test]
    fn attempts_and_their_ties_differ() {
        let clock = ManualClock::starting_at(START);
        let secret = SecretString::from("ours");
        let texts = |attempt: &Attempt| {
            let ties = attempt.ties(&Seal(&secret));
            [attempt.seed.clone(), ties.state, ties.nonce, ties.verifier.expose_secret().to_owned()]
        };
        let (one, other) = (Attempt::begin(&clock, ""), Attempt::begin(&clock, ""));
        let all: Vec<String> = [texts(&one), texts(&other)].concat();
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), 8);
        // RFC 7636, 4.1: a verifier has 43 characters at least.
        assert!(all.iter().all(|text| text.len() == 43));
    }

    #[test]
    fn an_address_is_believed_when_it_is_verified() {
        use EmailVerified::{Required, UnlessDenied};
        #[track_caller]
        fn check(is_verified: Option<bool>, asked: EmailVerified, expected: bool) {
            let account = Account { address: Some("a@b.example".to_owned()), is_verified };
            assert_eq!(address_of(account, asked).is_ok(), expected, "{is_verified:?} {asked:?}");
        }
        check(Some(true), Required, true);
        check(Some(false), Required, false);
        check(None, Required, false);
        check(Some(true), UnlessDenied, true);
        check(Some(false), UnlessDenied, false);
        check(None, UnlessDenied, true);
        assert!(matches!(
            address_of(Account { address: None, is_verified: Some(true) }, Required),
            Err(Refused::NoAddress)
        ));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_cookie(text in "\\PC*", at in 0_usize..200, with in "[A-Za-z0-9_-]") {
            let clock = ManualClock::starting_at(START);
            let secret = SecretString::from("ours");
            let seal = Seal(&secret);
            prop_assert!(Attempt::from_cookie(&text, &seal, START).is_none());
            let attempt = Attempt::begin(&clock, "/review");
            let cookie = attempt.to_cookie(&seal);
            let at = at % cookie.len();
            let changed = format!("{}{with}{}", &cookie[..at], &cookie[at + 1..]);
            // A change of the unused last bits of base64 is refused as well.
            prop_assert_eq!(Attempt::from_cookie(&changed, &seal, START).is_some(), changed == cookie);
        }
    }
}
