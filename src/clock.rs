//! Time and identity as parameters: the only place that reads the system clock or draws randomness.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A point in time in whole microseconds since the Unix epoch: what both databases store as `BIGINT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn plus(self, duration: std::time::Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "292,000 years of microseconds fit an i64")]
        Self(self.0.saturating_add(duration.as_micros() as i64))
    }

    #[must_use]
    pub const fn minus(self, duration: std::time::Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "292,000 years of microseconds fit an i64")]
        Self(self.0.saturating_sub(duration.as_micros() as i64))
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Rounded to whole microseconds.
    pub fn from_jiff(timestamp: jiff::Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }

    /// Midnight UTC of a civil date.
    pub fn from_date(date: jiff::civil::Date) -> Self {
        let seconds = date.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second());
        Self(seconds * 1_000_000)
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_jiff().fmt(f)
    }
}

/// The outside world's time and randomness.
pub trait Clock: Send + Sync + std::fmt::Debug {
    fn now(&self) -> Timestamp;
    /// Random bits for an id, in the low 64.
    fn entropy(&self) -> u128;

    /// A new id ordered by time to about a quarter of a microsecond (UUID version 7, RFC 9562, method 3).
    fn new_uuid(&self) -> Uuid {
        let micros = self.now().micros();
        let millis = u64::try_from(micros / 1000).unwrap_or(0);
        let fraction = u16::try_from(micros.rem_euclid(1000) * 4096 / 1000).unwrap_or(0);
        let bytes = self.entropy().to_be_bytes();
        let mut random = [0_u8; 10];
        random.copy_from_slice(&bytes[6..]);
        random[..2].copy_from_slice(&fraction.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock and random numbers.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_microsecond())
    }

    #[expect(clippy::disallowed_methods, reason = "this is where randomness comes in")]
    fn entropy(&self) -> u128 {
        rand::random::<u128>()
    }
}

/// A clock that moves only when told, with a counter for entropy: every run of a test sees the same ids.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
    counter: AtomicU64,
}

impl ManualClock {
    pub fn starting_at(start: Timestamp) -> Self {
        Self { micros: AtomicI64::new(start.micros()), counter: AtomicU64::new(1) }
    }

    /// Goes to another moment, forward or back.
    pub fn go_to(&self, at: Timestamp) {
        self.micros.store(at.micros(), Ordering::SeqCst);
    }

    pub fn advance(&self, duration: std::time::Duration) {
        let step = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(step, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.micros.load(Ordering::SeqCst))
    }

    fn entropy(&self) -> u128 {
        u128::from(self.counter.fetch_add(1, Ordering::SeqCst))
    }
}
