//! A model that is asked again when it stumbles, and left alone when it has fallen.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::{info, warn};

use super::{Ask, Model, ModelError, ModelFuture, Pieces, Said, shape};
use crate::clock::{SharedClock, Timestamp};

/// Failures in a row after which a model is left alone.
const FAILURES: u32 = 5;
/// How long it is left alone the first time; twice as long after each trial that fails.
const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_mins(10);

/// How much is put up with for one answer.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From 1.
    pub attempts: u32,
    /// For all attempts and the pauses between them.
    pub whole: Duration,
    /// The longest pause before the second attempt; each further one doubles it.
    pub first_pause: Duration,
}

/// A model with patience and a memory for failures. What is asked for in a schema is checked against it.
#[derive(Debug)]
pub struct Guarded {
    model: Arc<dyn Model>,
    patience: Patience,
    clock: SharedClock,
    breaker: Mutex<Breaker>,
}

impl Guarded {
    pub fn new(model: Arc<dyn Model>, patience: Patience, clock: SharedClock) -> Self {
        Self { model, patience, clock, breaker: Mutex::new(Breaker::default()) }
    }

    fn breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        // A breaker is whole after every call, so a panic elsewhere harms nothing.
        act(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn persist(&self, ask: &Ask, pieces: Option<Pieces>) -> Result<Said, ModelError> {
        let until = Instant::now() + self.patience.whole;
        let mut pause = self.patience.first_pause;
        let mut attempt = 1;
        loop {
            let entry = self.breaker(|breaker| breaker.enter(self.clock.now(), self.patience.whole));
            let entry = entry.map_err(ModelError::Resting)?;
            let sent = AtomicBool::new(false);
            let left = until.saturating_duration_since(Instant::now());
            let asked = timeout(left, watched(self.model.as_ref(), ask, pieces.as_ref(), &sent)).await;
            let answer = asked.unwrap_or(Err(ModelError::TooSlow(self.patience.whole)));
            self.remember(entry, &answer);
            let error = match answer {
                Ok(said) => return shape::fitting(ask, said),
                Err(error) => error,
            };
            let wait = jittered(pause, self.clock.entropy()).max(asked_to_wait(&error));
            let goes_on = may_pass(&error)
                && entry == Entry::Usual
                && !sent.load(Ordering::Relaxed)
                && attempt < self.patience.attempts
                && Instant::now() + wait < until;
            if !goes_on {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
            pause *= 2;
        }
    }

    fn remember(&self, entry: Entry, answer: &Result<Said, ModelError>) {
        let model = self.model.id();
        match answer {
            // A server that says something useless is well all the same.
            Ok(_) | Err(ModelError::Unusable(_)) => {
                if self.breaker(Breaker::succeeded) {
                    info!(model, "Model answers again.");
                }
            }
            Err(error) => {
                if let Some(rest) = self.breaker(|breaker| breaker.failed(self.clock.now(), entry)) {
                    let seconds = rest.as_secs();
                    warn!(model, rest_seconds = seconds, error = %error, "Model failed often and is left alone for {seconds} s.");
                }
            }
        }
    }
}

impl Model for Guarded {
    fn id(&self) -> &str {
        self.model.id()
    }

    fn ask<'a>(&'a self, ask: &'a Ask, pieces: Option<Pieces>) -> ModelFuture<'a> {
        Box::pin(self.persist(ask, pieces))
    }
}

/// Asks once; `sent` says whether a piece was sent on.
async fn watched(model: &dyn Model, ask: &Ask, pieces: Option<&Pieces>, sent: &AtomicBool) -> Result<Said, ModelError> {
    let Some(pieces) = pieces else { return model.ask(ask, None).await };
    let (own, mut coming) = mpsc::unbounded_channel();
    let passing = async {
        while let Some(piece) = coming.recv().await {
            sent.store(true, Ordering::Relaxed);
            // Whoever stopped listening does not stop the model.
            let _ = pieces.send(piece);
        }
    };
    let (answer, ()) = tokio::join!(model.ask(ask, Some(own)), passing);
    answer
}

/// Can another attempt bring what this one did not?
const fn may_pass(error: &ModelError) -> bool {
    match error {
        ModelError::TooSlow(_) | ModelError::Busy { .. } | ModelError::Broken(_) => true,
        ModelError::Resting(_) | ModelError::Refused(_) | ModelError::Unusable(_) => false,
    }
}

fn asked_to_wait(error: &ModelError) -> Duration {
    match error {
        ModelError::Busy { again_after: Some(wait) } => *wait,
        _ => Duration::ZERO,
    }
}

/// A pause from the upper half of its span, so that many who were turned away do not come back at once ("equal jitter", AWS
/// Architecture Blog, "Exponential Backoff And Jitter").
fn jittered(span: Duration, entropy: u128) -> Duration {
    let half = span / 2;
    half + Duration::from_micros(u64::try_from(entropy % half.as_micros().max(1)).unwrap_or(0))
}

/// How an attempt came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Usual,
    /// The one after a rest that shows whether the model is well again.
    Trial,
}

/// A circuit breaker: closed, open after [`FAILURES`] in a row, and closed again by a trial that succeeds.
#[derive(Debug, Default)]
struct Breaker {
    /// In a row.
    failures: u32,
    rest: Option<Rest>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Timestamp,
    span: Duration,
}

impl Breaker {
    /// Lets an attempt in, or says for how long nobody is. A trial holds the others off for as long as it may last: if it is
    /// never reported, another one follows.
    fn enter(&mut self, now: Timestamp, trial_lasts: Duration) -> Result<Entry, Duration> {
        match &mut self.rest {
            None => Ok(Entry::Usual),
            Some(rest) if now < rest.until => Err(rest.until.since(now)),
            Some(rest) => {
                rest.until = now.plus(trial_lasts);
                Ok(Entry::Trial)
            }
        }
    }

    /// `true` when that ends a rest.
    fn succeeded(&mut self) -> bool {
        let rested = self.rest.is_some();
        *self = Self::default();
        rested
    }

    /// How long the model is left alone from now on; `None` when nothing changes.
    fn failed(&mut self, now: Timestamp, entry: Entry) -> Option<Duration> {
        let span = match (self.rest, entry) {
            (Some(rest), Entry::Trial) => (rest.span * 2).min(LONGEST_REST),
            // Begun before the rest, or a trial that another one's success has overtaken.
            (Some(_), Entry::Usual) => return None,
            (None, _) => {
                self.failures += 1;
                if self.failures < FAILURES {
                    return None;
                }
                FIRST_REST
            }
        };
        self.rest = Some(Rest { until: now.plus(span), span });
        Some(span)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    /// What a model says piece by piece, and how it ends.
    type Script = (Vec<&'static str>, Result<Said, ModelError>);

    /// Says what it was told to, in turn; then that it is broken.
    #[derive(Debug, Default)]
    struct Scripted {
        answers: Mutex<VecDeque<Script>>,
        asked: std::sync::atomic::AtomicU32,
    }

    impl Model for Scripted {
        fn id(&self) -> &'static str {
            "scripted/model"
        }

        fn ask<'a>(&'a self, _: &'a Ask, pieces: Option<Pieces>) -> ModelFuture<'a> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let next = self.answers.lock().unwrap().pop_front();
            Box::pin(async move {
                let (said, answer) = next.unwrap_or((vec![], broken()));
                for piece in said {
                    pieces.as_ref().unwrap().send(piece.to_owned()).unwrap();
                }
                if answer == Err(ModelError::TooSlow(Duration::ZERO)) {
                    std::future::pending::<()>().await;
                }
                answer
            })
        }
    }

    fn broken() -> Result<Said, ModelError> {
        Err(ModelError::Broken("so it is".to_owned()))
    }

    fn busy(millis: u64) -> Result<Said, ModelError> {
        Err(ModelError::Busy { again_after: Some(Duration::from_millis(millis)) })
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands beside the failures")]
    fn fine() -> Result<Said, ModelError> {
        Ok(Said { text: "ready".to_owned(), whole: true, ..Said::default() })
    }

    const PATIENCE: Patience =
        Patience { attempts: 3, whole: Duration::from_millis(200), first_pause: Duration::from_millis(2) };

    fn guarded(answers: impl IntoIterator<Item = Script>) -> (Arc<Scripted>, Arc<ManualClock>, Guarded) {
        let model = Arc::new(Scripted { answers: Mutex::new(answers.into_iter().collect()), ..Scripted::default() });
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_micros(0)));
        let guarded = Guarded::new(Arc::clone(&model) as _, PATIENCE, Arc::clone(&clock) as _);
        (model, clock, guarded)
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again() {
        #[track_caller]
        fn ends(asked: u32, fine: bool) -> impl Fn(&Scripted, &Result<Said, ModelError>) {
            let caller = std::panic::Location::caller();
            move |model, answer| {
                assert_eq!((model.asked.load(Ordering::SeqCst), answer.is_ok()), (asked, fine), "{answer:?} {caller}");
            }
        }
        let refused = || Err(ModelError::Refused("no".to_owned()));
        let unusable = || Err(ModelError::Unusable("no".to_owned()));
        let slow = || Err(ModelError::TooSlow(Duration::ZERO));
        for (answers, expected) in [
            (vec![broken(), fine()], ends(2, true)),
            (vec![busy(5), busy(5), fine()], ends(3, true)),
            (vec![broken(), broken(), broken(), fine()], ends(3, false)),
            (vec![refused(), fine()], ends(1, false)),
            (vec![unusable(), fine()], ends(1, false)),
            // Beyond the time there is.
            (vec![busy(60_000), fine()], ends(1, false)),
            (vec![slow(), fine()], ends(1, false)),
        ] {
            let (model, _, guarded) = guarded(answers.into_iter().map(|answer| (vec![], answer)));
            let answer = guarded.ask(&Ask::default(), None).await;
            expected(&model, &answer);
        }
    }

    #[tokio::test]
    async fn nobody_hears_a_beginning_twice() {
        let (model, _, guarded) = guarded([(vec!["re"], broken()), (vec!["ready"], fine())]);
        let (pieces, mut coming) = mpsc::unbounded_channel();
        assert_eq!(guarded.ask(&Ask::default(), Some(pieces)).await, broken());
        assert_eq!((coming.recv().await.as_deref(), coming.recv().await), (Some("re"), None));
        assert_eq!(model.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_model_that_fails_is_left_alone_and_tried_once() {
        let (model, clock, guarded) = guarded([]);
        let ask = Ask::default();
        guarded.ask(&ask, None).await.unwrap_err();
        guarded.ask(&ask, None).await.unwrap_err();
        assert_eq!(model.asked.load(Ordering::SeqCst), 5);
        assert_eq!(guarded.ask(&ask, None).await, Err(ModelError::Resting(FIRST_REST)));
        clock.advance(FIRST_REST);
        assert_eq!(guarded.ask(&ask, None).await, broken());
        assert_eq!(guarded.ask(&ask, None).await, Err(ModelError::Resting(FIRST_REST * 2)));
        assert_eq!(model.asked.load(Ordering::SeqCst), 6);
        clock.advance(FIRST_REST * 2);
        model.answers.lock().unwrap().push_back((vec![], fine()));
        assert_eq!(guarded.ask(&ask, None).await, fine());
        guarded.ask(&ask, None).await.unwrap_err();
        assert_eq!(model.asked.load(Ordering::SeqCst), 10);
    }

    #[test]
    fn a_trial_that_is_lost_is_followed_by_another() {
        let mut breaker = Breaker::default();
        let at = |seconds: u64| Timestamp::from_micros(0).plus(Duration::from_secs(seconds));
        let lasts = Duration::from_secs(25);
        for _ in 0..FAILURES {
            breaker.enter(at(0), lasts).unwrap();
            breaker.failed(at(0), Entry::Usual);
        }
        assert_eq!(breaker.enter(at(29), lasts), Err(Duration::from_secs(1)));
        assert_eq!(breaker.enter(at(30), lasts), Ok(Entry::Trial));
        assert_eq!(breaker.enter(at(31), lasts), Err(Duration::from_secs(24)));
        assert_eq!(breaker.failed(at(32), Entry::Usual), None);
        assert_eq!(breaker.enter(at(55), lasts), Ok(Entry::Trial));
        assert!(breaker.succeeded());
        assert_eq!(breaker.enter(at(56), lasts), Ok(Entry::Usual));
    }

    proptest! {
        #[test]
        fn rests_grow_to_ten_minutes_and_no_further(steps in prop::collection::vec((0_u64..700, any::<bool>()), 1..80)) {
            let mut breaker = Breaker::default();
            let (mut now, mut row, mut last) = (Timestamp::from_micros(0), 0, Duration::ZERO);
            for (wait, well) in steps {
                now = now.plus(Duration::from_secs(wait));
                let Ok(entry) = breaker.enter(now, Duration::ZERO) else {
                    prop_assert!(row >= FAILURES);
                    continue;
                };
                prop_assert_eq!(entry == Entry::Trial, row >= FAILURES);
                if well {
                    breaker.succeeded();
                    (row, last) = (0, Duration::ZERO);
                    continue;
                }
                row += 1;
                if let Some(rest) = breaker.failed(now, entry) {
                    prop_assert_eq!(rest, if last.is_zero() { FIRST_REST } else { (last * 2).min(LONGEST_REST) });
                    last = rest;
                }
                prop_assert_eq!(last.is_zero(), row < FAILURES);
            }
        }

        #[test]
        fn pauses_stay_in_their_span(millis in 1_u64..10_000, entropy in any::<u128>()) {
            let span = Duration::from_millis(millis);
            let pause = jittered(span, entropy);
            prop_assert!(pause >= span / 2 && pause <= span);
        }
    }
}
