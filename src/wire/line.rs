//! The state of a chat system's connection, and the log's lines about it: each change is said once.

use std::{
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::{debug, error, info, warn};

use crate::{chat::Connection, clock::Timestamp};

/// The connection of one chat system, which may be kept up by several sockets.
#[derive(Debug)]
pub struct Line {
    /// As people know it: `Slack`.
    name: &'static str,
    journal: Mutex<Journal>,
}

#[derive(Debug, Default)]
struct Journal {
    sockets: usize,
    stood_before: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug, Clone)]
struct Trouble {
    reason: String,
    since: Timestamp,
    /// The chat system answered, and refused.
    refused: bool,
}

impl Journal {
    fn stands(&mut self, now: Timestamp) -> Option<String> {
        self.sockets += 1;
        let again = std::mem::replace(&mut self.stood_before, true);
        match self.trouble.take() {
            Some(trouble) => Some(format!("connected again after {}", span(now.since(trouble.since)))),
            None if again => None,
            None => Some("connected".to_owned()),
        }
    }

    /// Is this news?
    fn failed(&mut self, reason: &str, refused: bool, now: Timestamp) -> bool {
        let known = self.trouble.as_ref().is_some_and(|trouble| trouble.reason == reason);
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
        self.trouble = Some(Trouble { reason: reason.to_owned(), since, refused });
        !known
    }

    fn connection(&self) -> Connection {
        match &self.trouble {
            _ if self.sockets > 0 => Connection::Up,
            Some(Trouble { refused: false, .. }) => Connection::Down,
            Some(Trouble { refused: true, .. }) => Connection::Refused,
            None => Connection::Connecting,
        }
    }
}

impl Line {
    pub fn new(name: &'static str) -> Self {
        Self { name, journal: Mutex::default() }
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the connection stands.
    pub fn connection(&self) -> Connection {
        self.journal().connection()
    }

    /// A first attempt begins.
    pub fn connecting(&self, address: impl Display) {
        info!("{}: connecting to {address} …", self.name);
    }

    /// A socket stands.
    pub fn stands(&self, now: Timestamp) {
        let news = self.journal().stands(now);
        if let Some(news) = news {
            info!("{}: {news}.", self.name);
        } else {
            debug!("{}: another socket stands, or one was renewed.", self.name);
        }
    }

    /// A socket that stood has ended, as chat systems do now and then; [`Self::failed`] says when that is trouble.
    pub fn ended(&self) {
        let mut journal = self.journal();
        journal.sockets = journal.sockets.saturating_sub(1);
    }

    /// An attempt failed, or a standing socket broke. Said once for each reason until a socket stands.
    pub fn failed(&self, reason: &str, wait: Duration, now: Timestamp) {
        let (name, reason, wait) = (self.name, reason.trim_end_matches('.'), span(wait));
        let news = self.journal().failed(reason, false, now);
        if news {
            warn!("{name}: no connection. {reason}. Trying again in {wait}, then with growing pauses up to a minute.");
        } else {
            debug!("{name}: still no connection. {reason}. Trying again in {wait}.");
        }
    }

    /// The chat system refused. `then` says what happens next.
    pub fn refused(&self, reason: &str, then: &str, now: Timestamp) {
        let (name, reason) = (self.name, reason.trim_end_matches('.'));
        let news = self.journal().failed(reason, true, now);
        if news {
            error!("{name} refuses the bot: {reason}. {then}");
        }
    }
}

/// A time as people say it.
fn span(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(0);

    #[test]
    fn each_change_is_said_once() {
        let mut journal = Journal::default();
        assert_eq!(journal.connection(), Connection::Connecting);
        assert!(journal.failed("refused", false, START));
        assert!(!journal.failed("refused", false, START.plus(Duration::from_secs(1))), "the second socket, or attempt");
        assert!(journal.failed("no such name", false, START.plus(Duration::from_secs(2))), "another cause is news");
        assert_eq!(journal.connection(), Connection::Down);
        let back = journal.stands(START.plus(Duration::from_mins(3)));
        assert_eq!(back.as_deref(), Some("connected again after 3 min"));
        assert_eq!(journal.stands(START.plus(Duration::from_secs(181))), None, "the second socket");
        assert_eq!(journal.connection(), Connection::Up);
    }

    #[test]
    fn the_first_connection_is_news_and_its_renewal_is_not() {
        let mut journal = Journal::default();
        assert_eq!(journal.stands(START).as_deref(), Some("connected"));
        journal.sockets -= 1;
        assert_eq!(journal.stands(START), None);
    }

    #[test]
    fn times_are_short() {
        #[track_caller]
        fn check(seconds: f64, expected: &str) {
            assert_eq!(span(Duration::from_secs_f64(seconds)), expected);
        }
        check(0.5, "0.5 s");
        check(61.0, "61 s");
        check(180.0, "3 min");
        check(7200.0, "2 h");
    }
}
