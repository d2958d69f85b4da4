//! Waits between attempts: they grow, and no two processes wait alike.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// Longest wait between two attempts.
const LONGEST: Duration = Duration::from_mins(1);

/// Waits that double up to a minute. Each is drawn from the upper half of its span, so that many processes that lost the
/// same server do not come back at once ("equal jitter", AWS Architecture Blog, "Exponential Backoff And Jitter").
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    span: Duration,
}

impl Backoff {
    /// Begins with a wait of at most `first`.
    pub fn from(first: Duration) -> Self {
        Self { first, span: first.min(LONGEST) }
    }

    /// The next wait; `entropy` is random.
    pub fn next(&mut self, entropy: u128) -> Duration {
        let half = self.span / 2;
        self.span = (self.span * 2).min(LONGEST);
        let most = half.as_micros().max(1);
        half + Duration::from_micros(u64::try_from(entropy % most).unwrap_or(0))
    }

    /// Forgets what failed.
    pub fn reset(&mut self) {
        self.span = self.first.min(LONGEST);
    }

    /// Waits for its turn, at least as long as given. `false` when it is time to stop instead.
    pub async fn pause(&mut self, clock: &dyn Clock, at_least: Option<Duration>, stop: &CancellationToken) -> bool {
        let wait = self.next(clock.entropy()).max(at_least.unwrap_or_default());
        sleep(wait, stop).await
    }
}

/// Waits. `false` when it is time to stop instead.
pub async fn sleep(wait: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(wait) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_grow_to_a_minute_and_no_further(first in 1_u64..5_000, draws in prop::collection::vec(any::<u128>(), 1..30)) {
            let first = Duration::from_millis(first);
            let mut backoff = Backoff::from(first);
            let mut span = first;
            for draw in draws {
                let wait = backoff.next(draw);
                prop_assert!(wait >= span / 2 && wait <= span, "{wait:?} of {span:?}");
                span = (span * 2).min(LONGEST);
            }
            backoff.reset();
            prop_assert!(backoff.next(0) <= first);
        }
    }

    #[test]
    fn two_processes_wait_differently() {
        let waits: Vec<Duration> = [1_u128, 1 << 19].map(|draw| Backoff::from(LONGEST).next(draw)).into();
        assert_ne!(waits[0], waits[1]);
    }

    #[tokio::test]
    async fn nobody_waits_when_it_is_time_to_stop() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(!Backoff::from(LONGEST).pause(&crate::clock::SystemClock, Some(LONGEST), &stop).await);
    }
}
