//! Logging in to the review site: a link from chat that works once, or the company's own login, and the session after it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{Core, Failure, UserError, people};
use crate::{
    clock::Clock,
    domain::people::Person,
    store::{
        self, Tx,
        sessions::{LoginLink, Session, TokenHash},
        tokens::Token,
    },
};

/// How long a link from chat is good.
pub const LINK_LIFETIME: Duration = Duration::from_mins(10);
/// A session that was left alone for this long is over.
const IDLE: Duration = Duration::from_hours(12);
/// A session is over after this time in any case.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(24 * 7);
/// How exactly it is known when a session was used last: each step costs a write.
const SEEN_EVERY: Duration = Duration::from_mins(5);
/// Links and sessions that are over are kept this long.
const KEEP: Duration = Duration::from_hours(24 * 7);

/// A text that nobody guesses: 32 random bytes, in letters that an address may hold.
pub fn new_secret(clock: &dyn Clock) -> String {
    let mut bytes = [0_u8; 32];
    bytes[..16].copy_from_slice(&clock.entropy().to_be_bytes());
    bytes[16..].copy_from_slice(&clock.entropy().to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is kept of a secret.
pub fn hash_of(secret: &str) -> TokenHash {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Are two secrets the same? Takes as long for a wrong one as for a right one: what is compared are their hashes.
pub fn is_same(one: &str, other: &str) -> bool {
    let difference = Sha256::digest(one.as_bytes())
        .iter()
        .zip(Sha256::digest(other.as_bytes()))
        .fold(0, |difference, (one, other)| difference | (one ^ other));
    difference == 0
}

/// A path of the site that a login may lead to; anything else leads to its first page.
pub fn page_of(path: &str) -> String {
    let path = path.trim();
    let inside = path == "/review" || path.starts_with("/review/") || path.starts_with("/review?");
    let door = ["/review/login", "/review/oidc"].iter().any(|door| path.starts_with(door));
    let plain = path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '<' | '>'));
    if inside && plain && path.len() <= 500 && !door && stays_inside(path) {
        path.to_owned()
    } else {
        "/review".to_owned()
    }
}

/// Is a path still one of the site after a browser has followed its dots, in whatever way they are written?
fn stays_inside(path: &str) -> bool {
    let site = url::Url::parse("https://site.invalid").and_then(|site| site.join(path));
    site.is_ok_and(|url| {
        url.host_str() == Some("site.invalid") && (url.path() == "/review" || url.path().starts_with("/review/"))
    })
}

/// Gives out a link that logs the person in once, and says where it leads.
///
/// # Errors
/// When the store refuses.
pub async fn offer_link(core: &Core, tx: &mut Tx, person: &Person, path: &str) -> store::Result<String> {
    let secret = new_secret(&*core.clock);
    let now = core.clock.now();
    let link = LoginLink {
        person: person.id.clone(),
        name: person.name.clone(),
        path: page_of(path),
        created_at: now,
        expires_at: now.plus(LINK_LIFETIME),
    };
    store::sessions::offer(tx, hash_of(&secret), &link).await?;
    tracing::info!("A link to the review site was given out.");
    Ok(format!("{}/review/login/{secret}", core.config.server.public_url()))
}

/// A link that can still be used, without using it: programs that look at addresses in chat open it too.
///
/// # Errors
/// When the store refuses.
pub async fn look_at_link(core: &Core, secret: &str) -> store::Result<Option<LoginLink>> {
    let mut tx = core.db.read().await?;
    store::sessions::look_at(&mut tx, hash_of(secret), core.clock.now()).await
}

/// Uses a link up and begins the session of its person. Returns the session's token and the page to show.
///
/// # Errors
/// [`Failure::User`] when the link was used, has run out, or never was.
pub async fn with_link(core: &Core, secret: &str) -> Result<(String, String), Failure> {
    let mut tx = core.db.write_urgently().await?;
    let link = store::sessions::use_up(&mut tx, hash_of(secret), core.clock.now()).await?;
    let link = link.ok_or_else(|| {
        UserError::new("This link was used already, or it has run out.", "Ask for a new one in chat.")
    })?;
    let person = people::by_id(core, &mut tx, &link.person).await?;
    let token = begin(core, &mut tx, &person, "link").await?;
    core.db.commit(tx).await?;
    Ok((token, link.path))
}

/// Begins a session and returns its token, which is kept nowhere else.
///
/// # Errors
/// When the store refuses.
pub async fn begin(core: &Core, tx: &mut Tx, person: &Person, method: &str) -> store::Result<String> {
    let token = new_secret(&*core.clock);
    let now = core.clock.now();
    let session = Session {
        person: person.id.clone(),
        name: person.name.clone(),
        method: method.to_owned(),
        csrf: new_secret(&*core.clock),
        created_at: now,
        seen_at: now,
        expires_at: now.plus(SESSION_LIFETIME),
    };
    store::sessions::begin(tx, hash_of(&token), &session).await?;
    tracing::info!(method, "Somebody logged in to the review site.");
    Ok(token)
}

/// Who a session's token belongs to, with the roles and teams they have at this moment. `None` when the session is over.
///
/// # Errors
/// When the store refuses.
pub async fn visitor(core: &Core, token: &str) -> store::Result<Option<(Person, Session)>> {
    let now = core.clock.now();
    let found = {
        let mut tx = core.db.read().await?;
        let session = store::sessions::find(&mut tx, hash_of(token), now, now.minus(IDLE)).await?;
        match session {
            Some(session) => Some((people::by_id(core, &mut tx, &session.person).await?, session)),
            None => None,
        }
    };
    if let Some((_, session)) = &found
        && now.since(session.seen_at) >= SEEN_EVERY
    {
        let mut tx = core.db.write().await?;
        store::sessions::seen(&mut tx, hash_of(token), now).await?;
        core.db.commit(tx).await?;
    }
    Ok(found)
}

/// Ends a session.
///
/// # Errors
/// When the store refuses.
pub async fn leave(core: &Core, token: &str) -> store::Result<()> {
    let mut tx = core.db.write_urgently().await?;
    store::sessions::end(&mut tx, hash_of(token)).await?;
    core.db.commit(tx).await
}

/// Whom a token of the API stands for, with the roles and teams they have at this moment. `None` when it opens nothing.
///
/// # Errors
/// When the store refuses.
pub async fn bearer(core: &Core, text: &str) -> store::Result<Option<(Person, Token)>> {
    let now = core.clock.now();
    let found = {
        let mut tx = core.db.read().await?;
        match store::tokens::by_hash(&mut tx, hash_of(text)).await?.filter(|token| token.is_good(now)) {
            Some(token) => Some((people::by_id(core, &mut tx, &token.person).await?, token)),
            None => None,
        }
    };
    if let Some((_, token)) = &found
        && token.used_at.is_none_or(|at| now.since(at) >= SEEN_EVERY)
    {
        let mut tx = core.db.write().await?;
        store::tokens::used(&mut tx, token.id, now).await?;
        core.db.commit(tx).await?;
    }
    Ok(found)
}

/// Forgets links, sessions and calls of the API that are long over.
///
/// # Errors
/// When the store refuses.
pub async fn forget_old(core: &Core, tx: &mut Tx) -> store::Result<()> {
    let before = core.clock.now().minus(KEEP);
    store::sessions::prune(tx, before).await?;
    store::tokens::prune_calls(tx, before).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_login_leads_only_into_the_site() {
        #[track_caller]
        fn check(path: &str, expected: &str) {
            assert_eq!(page_of(path), expected, "{path}");
        }
        check("/review/p/harbor/questions?verdict=abstained", "/review/p/harbor/questions?verdict=abstained");
        check(" /review ", "/review");
        check("", "/review");
        check("https://evil.example/review/", "/review");
        check("//evil.example/review/", "/review");
        check("/reviewer", "/review");
        check("/review/\\evil", "/review");
        check("/review/a b", "/review");
        check("/review/login/x", "/review");
        check("/review/oidc/start", "/review");
        check("/review/..//evil.example", "/review");
        check("/review/%2e%2E/console", "/review");
        check("/review/p/../mine?from=..", "/review/p/../mine?from=..");
        check("/review/\r\nSet-Cookie:x", "/review");
    }

    #[test]
    fn secrets_differ_and_are_compared_whole() {
        let (one, other) = (new_secret(&SystemClock), new_secret(&SystemClock));
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
        assert!(is_same(&one, &one.clone()));
        assert!(!is_same(&one, &other));
        assert!(!is_same(&one, &one[..42]));
        assert!(!is_same("", &one));
        assert_ne!(hash_of(&one), hash_of(&other));
    }
}
