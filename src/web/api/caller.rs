//! Who calls: the person a token stands for, and what of a platform it opens.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use uuid::Uuid;

use super::problem::Problem;
use crate::{
    config::Platform,
    domain::{
        access::{Rights, Scope},
        people::Person,
    },
    ops::{
        Core, login,
        review::{self, Reader, ask::Once},
    },
    web::review::params::Params,
};

/// The longest key of a call, in characters.
const MOST_KEY: usize = 200;

/// Whoever holds a good token.
#[derive(Debug, Clone)]
pub struct Caller {
    pub core: Arc<Core>,
    pub platform: Arc<Platform>,
    pub person: Person,
    pub rights: Rights,
    scope: Scope,
    token: Uuid,
    /// The header `Idempotency-Key`.
    key: Option<String>,
    pub params: Params,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Arc<Core>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let core = Arc::<Core>::from_ref(state);
        let named = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = named(header::AUTHORIZATION.as_str()).and_then(|text| {
            let (kind, token) = text.split_once(' ')?;
            kind.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        let key = named("idempotency-key").filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| key.len() > MOST_KEY) {
            return Err(Problem::unreadable(format!("An Idempotency-Key has at most {MOST_KEY} characters.")));
        }
        let params = Params::parse(parts.uri.query().unwrap_or_default());
        let (person, token) =
            login::bearer(&core, &text.ok_or_else(Problem::no_token)?).await?.ok_or_else(Problem::no_token)?;
        let platform = core.config.platform(&token.platform).cloned().ok_or_else(Problem::no_token)?;
        let rights =
            review::rights(&platform, &person).filter(|rights| rights.reads()).ok_or_else(Problem::no_token)?;
        Ok(Self { core, platform, person, rights, scope: token.scope, token: token.id, key, params })
    }
}

impl Caller {
    /// # Errors
    /// When the token is for another platform.
    pub fn at(&self, platform: &str) -> Result<Reader<'_>, Problem> {
        if self.platform.id != platform {
            return Err(Problem::missing());
        }
        let Self { core, platform, person, rights, .. } = self;
        Ok(Reader { core, platform, person, rights: *rights })
    }

    /// As [`Self::at`], to change something.
    ///
    /// # Errors
    /// When the token may only read.
    pub fn writing_at(&self, platform: &str) -> Result<Reader<'_>, Problem> {
        let reader = self.at(platform)?;
        if self.scope == Scope::Write { Ok(reader) } else { Err(Problem::read_only()) }
    }

    /// What tells this call from others, when it brings a key along.
    pub fn once(&self, path: &str, body: &str) -> Option<Once> {
        let key = self.key.clone()?;
        Some(Once { token: self.token, key, body: login::hash_of(&format!("{path}\n{body}")) })
    }
}
