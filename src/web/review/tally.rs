//! How often one address or one session may call: a bucket of tokens for each, filled again as time passes.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::clock::{SharedClock, Timestamp};

/// Callers that are remembered at the same time; those who were quiet for longest are forgotten first.
const MOST_CALLERS: u64 = 20_000;

/// What one caller has left.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Calls, in thousandths.
    left: i64,
    at: Timestamp,
}

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// All from one address: whoever is not logged in yet can call themselves anything.
    Address,
    /// Those with one session or token; without any, those from one address.
    Holder,
}

/// Counts the calls of each caller.
#[derive(Debug)]
pub struct Tally {
    counted: Caller,
    clock: SharedClock,
    buckets: Cache<[u8; 32], Bucket>,
    /// Calls at once.
    most: i64,
    /// Calls that are given back each second, in thousandths.
    refill: i64,
}

impl Tally {
    fn new(counted: Caller, clock: SharedClock, most: i64, per_minute: i64) -> Self {
        Self { counted, clock, buckets: Cache::new(MOST_CALLERS), most: most * 1000, refill: per_minute * 1000 / 60 }
    }

    /// Attempts to log in from one address: 20 at once, then 10 in a minute.
    pub fn logins(clock: SharedClock) -> Self {
        Self::new(Caller::Address, clock, 20, 10)
    }

    /// Pages of one session: 300 at once, then 300 in a minute.
    pub fn pages(clock: SharedClock) -> Self {
        Self::new(Caller::Holder, clock, 300, 300)
    }

    /// Calls of the API with one token: 120 at once, then 120 in a minute.
    pub fn calls(clock: SharedClock) -> Self {
        Self::new(Caller::Holder, clock, 120, 120)
    }

    /// Takes one call of `caller`. `Err` says after how many seconds there is one again.
    fn take(&self, caller: [u8; 32]) -> Result<(), i64> {
        let now = self.clock.now();
        let known = self.buckets.get(&caller).unwrap_or(Bucket { left: self.most, at: now });
        let passed = i64::try_from(now.since(known.at).as_millis()).unwrap_or(i64::MAX);
        let left = known.left.saturating_add(passed.saturating_mul(self.refill) / 1000).min(self.most);
        if left < 1000 {
            return Err(((1000 - left) / self.refill.max(1)).max(1));
        }
        self.buckets.insert(caller, Bucket { left: left - 1000, at: now });
        Ok(())
    }
}

/// Who calls. Of session, token and address no more than a hash is kept.
fn caller(counted: Caller, headers: &HeaderMap, address: Option<SocketAddr>) -> [u8; 32] {
    let token = || headers.get(header::AUTHORIZATION).map(|value| value.as_bytes().to_vec());
    let own = || token().or_else(|| super::visit::session_token(headers).map(String::into_bytes));
    let holder = if counted == Caller::Holder { own() } else { None };
    let who = holder.unwrap_or_else(|| address_of(headers, address).into_bytes());
    Sha256::digest(who).into()
}

/// The address of whoever calls. A proxy on this machine says for whom it calls.
fn address_of(headers: &HeaderMap, address: Option<SocketAddr>) -> String {
    let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let last = forwarded.and_then(|list| list.rsplit(',').next()).map(str::trim);
    match (address, last) {
        (Some(address), Some(last)) if address.ip().is_loopback() => last.to_owned(),
        (Some(address), _) => address.ip().to_string(),
        (None, _) => String::new(),
    }
}

/// Refuses whoever calls too often, and says when to come again.
pub async fn limit(State(tally): State<Arc<Tally>>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    match tally.take(caller(tally.counted, request.headers(), address)) {
        Ok(()) => next.run(request).await,
        Err(seconds) => {
            let after = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, after, "that was too often; try again in a moment\n").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_micros(0)));
        let tally = Tally::new(Caller::Holder, Arc::clone(&clock) as SharedClock, 2, 60);
        let (one, other) = ([1; 32], [2; 32]);
        assert_eq!((tally.take(one), tally.take(one), tally.take(one)), (Ok(()), Ok(()), Err(1)));
        assert_eq!(tally.take(other), Ok(()), "another caller has calls of its own");
        clock.advance(Duration::from_secs(1));
        assert_eq!((tally.take(one), tally.take(one)), (Ok(()), Err(1)));
        clock.advance(Duration::from_hours(1));
        assert_eq!(
            (tally.take(one), tally.take(one), tally.take(one)),
            (Ok(()), Ok(()), Err(1)),
            "never more than most"
        );
    }

    #[test]
    fn whoever_is_not_logged_in_yet_is_known_by_the_address_alone() {
        let address = Some("10.0.0.9:1".parse().unwrap());
        let who = |counted, cookie: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, format!("stationmaster={cookie}").parse().unwrap());
            caller(counted, &headers, address)
        };
        assert_eq!(who(Caller::Address, "one"), who(Caller::Address, "other"));
        assert_ne!(who(Caller::Holder, "one"), who(Caller::Holder, "other"));
    }

    #[test]
    fn a_proxy_says_for_whom_it_calls_only_from_this_machine() {
        #[track_caller]
        fn check(address: &str, forwarded: Option<&str>, expected: &str) {
            let mut headers = HeaderMap::new();
            if let Some(list) = forwarded {
                headers.insert("x-forwarded-for", list.parse().unwrap());
            }
            assert_eq!(address_of(&headers, Some(address.parse().unwrap())), expected);
        }
        check("127.0.0.1:1", Some("6.6.6.6, 10.0.0.7"), "10.0.0.7");
        check("127.0.0.1:1", None, "127.0.0.1");
        check("10.0.0.9:1", Some("10.0.0.7"), "10.0.0.9");
    }
}
