//! The gateway's protocol, as <https://discord.com/developers/docs/events/gateway> describes it: one connection from its
//! address to its end, with heartbeats as the sign of life. What the events mean is `listen`'s.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::decode::text;
use crate::wire::{Cause, Fault, Frame, Socket};

/// What the bot listens to, and no more: guilds, messages and reactions there and in direct messages, and what is written
/// (Message Content, which has to be switched on in the application's settings).
const INTENTS: u64 = 1 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15;
/// Longest wait for the session after its beginning was asked for.
const BEGINNING: Duration = Duration::from_secs(30);
/// Longest wait for a frame to be taken in.
const SENDING: Duration = Duration::from_secs(10);
/// A code that ends the connection but not the session.
const KEEP_SESSION: u16 = 4000;
/// A code that ends the session too.
const END_SESSION: u16 = 1000;

mod op {
    pub const DISPATCH: u64 = 0;
    pub const HEARTBEAT: u64 = 1;
    pub const IDENTIFY: u64 = 2;
    pub const RESUME: u64 = 6;
    pub const RECONNECT: u64 = 7;
    pub const INVALID_SESSION: u64 = 9;
    pub const HELLO: u64 = 10;
    pub const HEARTBEAT_ACK: u64 = 11;
}

/// A session, which outlives its connections for some minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    id: String,
    /// Where it is resumed.
    pub address: String,
    /// The last event that arrived.
    sequence: u64,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Stopped,
    /// Discord wants it made anew, as it does now and then.
    Renewed,
    /// Discord began to doubt the session; a new one may begin after a while.
    Invalid,
    Failed(Fault),
    /// It will never go through: what to do, and a reason.
    Refused(&'static str),
}

/// What it takes to begin a session.
pub struct Gateway<'a> {
    /// `wss://…` or `ws://…`
    pub address: &'a str,
    pub token: &'a str,
    pub tls: &'a Arc<ClientConfig>,
    /// Longest wait for the connection and its first frame.
    pub limit: Duration,
    /// From 0 to 1: when in its interval the first heartbeat is sent.
    pub jitter: f64,
}

impl Gateway<'_> {
    /// Connects, begins or resumes the session, and hands on every event by name until the connection ends.
    pub async fn run(
        &self,
        session: &mut Option<Session>,
        stop: &CancellationToken,
        mut hand_on: impl FnMut(&str, Value),
    ) -> End {
        let Some(address) = versioned(self.address) else { return self.failed(Cause::Said("no address".to_owned())) };
        let opened = tokio::select! {
            () = stop.cancelled() => return End::Stopped,
            opened = Socket::open(&address, self.tls, self.limit) => opened,
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(cause) => return self.failed(cause),
        };
        let end = match self.converse(&mut socket, session, stop, &mut hand_on).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if end == End::Invalid {
            *session = None;
        }
        socket.close(if end == End::Stopped { END_SESSION } else { KEEP_SESSION }).await;
        end
    }

    fn failed(&self, cause: Cause) -> End {
        let advice = "Check discord.gateway_url and the way out (firewall, proxy)";
        End::Failed(Fault::new(self.address, cause, advice))
    }

    /// Never ends but with an end.
    async fn converse(
        &self,
        socket: &mut Socket,
        session: &mut Option<Session>,
        stop: &CancellationToken,
        hand_on: &mut impl FnMut(&str, Value),
    ) -> Result<std::convert::Infallible, End> {
        let every = self.hello(socket, session, stop).await?;
        self.send(socket, self.introduction(session.as_ref())).await?;
        let begun_by = Instant::now() + BEGINNING;
        let mut begun = false;
        let mut answered = true;
        let mut beat_at = Instant::now() + every.mul_f64(self.jitter);
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => return Err(End::Stopped),
                () = tokio::time::sleep_until(begun_by), if !begun => {
                    return Err(self.failed(Cause::Said("it began no session in time".to_owned())));
                }
                () = tokio::time::sleep_until(beat_at) => {
                    if !answered {
                        return Err(self.failed(Cause::Said("it did not answer a heartbeat".to_owned())));
                    }
                    answered = false;
                    beat_at = Instant::now() + every;
                    self.send(socket, beat(session.as_ref())).await?;
                    continue;
                }
                frame = socket.next() => self.read(frame, session)?,
            };
            match frame["op"].as_u64() {
                Some(op::DISPATCH) => {
                    let Some(name) = text(&frame, "t") else { continue };
                    begun |= matches!(name, "READY" | "RESUMED");
                    remember(session, name, &frame);
                    hand_on(name, frame["d"].clone());
                }
                Some(op::HEARTBEAT) => self.send(socket, beat(session.as_ref())).await?,
                Some(op::HEARTBEAT_ACK) => answered = true,
                Some(op::RECONNECT) => return Err(End::Renewed),
                Some(op::INVALID_SESSION) if frame["d"] == true => return Err(End::Renewed),
                Some(op::INVALID_SESSION) => return Err(End::Invalid),
                _ => {}
            }
        }
    }

    /// The first frame says how often a heartbeat is wanted.
    async fn hello(
        &self,
        socket: &mut Socket,
        session: &mut Option<Session>,
        stop: &CancellationToken,
    ) -> Result<Duration, End> {
        let heard = tokio::select! {
            () = stop.cancelled() => return Err(End::Stopped),
            heard = tokio::time::timeout(self.limit, socket.next()) => heard,
        };
        let frame = self.read(heard.unwrap_or(Err(Cause::TimedOut)), session)?;
        let every = frame["d"]["heartbeat_interval"].as_u64().filter(|every| *every > 0);
        match every {
            Some(every) if frame["op"] == op::HELLO => Ok(Duration::from_millis(every)),
            _ => Err(self.failed(Cause::Said("it does not speak as Discord's gateway does".to_owned()))),
        }
    }

    /// The JSON of a frame; signs of life have none.
    fn read(&self, frame: Result<Frame, Cause>, session: &mut Option<Session>) -> Result<Value, End> {
        match frame {
            Ok(Frame::Text(text)) => Ok(serde_json::from_str(&text).unwrap_or_default()),
            Ok(Frame::Sign) => Ok(Value::Null),
            Ok(Frame::Closed(code)) => Err(self.closed(code, session)),
            Err(cause) => Err(self.failed(cause)),
        }
    }

    /// What a close code asks for (Discord, "Gateway Close Event Codes").
    fn closed(&self, code: Option<u16>, session: &mut Option<Session>) -> End {
        let said = |what: String| self.failed(Cause::Said(what));
        match code {
            Some(4004) => End::Refused(
                "it does not accept the token (4004); copy it from the Bot page of the application at \
                 discord.com/developers/applications into STATIONMASTER_DISCORD_TOKEN, and start again.",
            ),
            Some(4014) => End::Refused(
                "the Message Content intent is off (4014); switch it on under Privileged Gateway Intents on the Bot page \
                 of the application at discord.com/developers/applications, and start again.",
            ),
            Some(4010..=4013) => End::Refused(
                "it does not know what this version of the bot asks for (4010 to 4013); look for a newer version.",
            ),
            // The session is gone.
            Some(1000 | 1001 | 4007 | 4009) => {
                *session = None;
                End::Renewed
            }
            // The connection was cut or Discord has lost it; the session goes on.
            None | Some(1006 | 4000) => End::Renewed,
            Some(code) => said(format!("it closed the connection (code {code})")),
        }
    }

    fn introduction(&self, session: Option<&Session>) -> Value {
        match session {
            Some(Session { id, sequence, .. }) => {
                json!({ "op": op::RESUME, "d": { "token": self.token, "session_id": id, "seq": sequence } })
            }
            None => json!({ "op": op::IDENTIFY, "d": {
                "token": self.token,
                "intents": INTENTS,
                "properties": {
                    "os": std::env::consts::OS, "browser": env!("CARGO_PKG_NAME"), "device": env!("CARGO_PKG_NAME"),
                },
            }}),
        }
    }

    async fn send(&self, socket: &mut Socket, frame: Value) -> Result<(), End> {
        socket.send(frame.to_string(), SENDING).await.map_err(|cause| self.failed(cause))
    }
}

fn beat(session: Option<&Session>) -> Value {
    json!({ "op": op::HEARTBEAT, "d": session.map(|session| session.sequence) })
}

/// Keeps what it takes to resume.
fn remember(session: &mut Option<Session>, name: &str, frame: &Value) {
    let sequence = frame["s"].as_u64();
    if name == "READY" {
        let data = &frame["d"];
        let told = text(data, "session_id").zip(text(data, "resume_gateway_url"));
        *session = told.map(|(id, address)| Session { id: id.to_owned(), address: address.to_owned(), sequence: 0 });
    }
    if let Some((session, sequence)) = session.as_mut().zip(sequence) {
        session.sequence = sequence;
    }
}

/// The address with the version and encoding that are spoken here.
fn versioned(address: &str) -> Option<String> {
    let mut url = Url::parse(address).ok()?;
    url.query_pairs_mut().append_pair("v", "10").append_pair("encoding", "json");
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::server::Network, wire::tls};

    #[test]
    fn close_codes_say_what_follows() {
        let tls = Arc::new(tls(&Network { ca_file: String::new() }).unwrap());
        let gateway =
            Gateway { address: "ws://127.0.0.1:9/", token: "t", tls: &tls, limit: Duration::from_secs(1), jitter: 0.0 };
        let check = |code: Option<u16>, expected: &str, session_lives: bool| {
            let mut session = Some(Session { id: "s".to_owned(), address: "ws://x/".to_owned(), sequence: 7 });
            let end = match gateway.closed(code, &mut session) {
                End::Failed(fault) => fault.to_string(),
                End::Refused(reason) => reason.to_owned(),
                other => format!("{other:?}"),
            };
            assert!(end.contains(expected), "{code:?}: {end}");
            assert_eq!(session.is_some(), session_lives, "{code:?}");
        };
        check(None, "Renewed", true);
        check(Some(4000), "Renewed", true);
        check(Some(4004), "STATIONMASTER_DISCORD_TOKEN", true);
        check(Some(4007), "Renewed", false);
        check(Some(4008), "code 4008", true);
        check(Some(4009), "Renewed", false);
        check(Some(4013), "newer version", true);
        check(Some(4014), "Message Content", true);
    }

    #[test]
    fn a_session_is_resumed_behind_its_last_event() {
        let mut session = None;
        let ready = json!({ "s": 1, "d": { "session_id": "abc", "resume_gateway_url": "wss://r.example" } });
        remember(&mut session, "READY", &ready);
        remember(&mut session, "MESSAGE_CREATE", &json!({ "s": 5, "d": {} }));
        let expected = Session { id: "abc".to_owned(), address: "wss://r.example".to_owned(), sequence: 5 };
        assert_eq!(session, Some(expected));
    }

    #[test]
    fn the_version_joins_what_the_address_has() {
        #[track_caller]
        fn check(address: &str, expected: &str) {
            assert_eq!(versioned(address).as_deref(), Some(expected));
        }
        check("wss://gateway.discord.gg", "wss://gateway.discord.gg/?v=10&encoding=json");
        check("ws://127.0.0.1:9/gateway?via=x", "ws://127.0.0.1:9/gateway?via=x&v=10&encoding=json");
    }
}
