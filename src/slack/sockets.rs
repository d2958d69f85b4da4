//! Socket Mode: sockets that the bot opens to Slack and keeps open, as <https://docs.slack.dev/apis/events-api/using-socket-mode>
//! describes them. What comes over them is the desk's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, warn};

use super::{
    NAME, Slack,
    client::advice,
    decode,
    listen::{Desk, patiently},
};
use crate::{
    chat::PostError,
    ops::{Core, catch_up},
    wire::{Backoff, Cause, Fault, Frame, Socket, origin},
};

/// Opening a connection is in the tier of the fewest calls a minute, so the waits grow from here.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A socket that stood this long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_mins(1);
const PING_EVERY: Duration = Duration::from_secs(10);
/// Slack answers each ping. Without any frame for this long the socket is dead.
const SILENCE: Duration = Duration::from_secs(35);
/// Longest wait for a frame to be taken in.
const SENDING: Duration = Duration::from_secs(10);
/// A normal end (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;

/// How a socket ended.
enum End {
    Stopped,
    /// Slack wants it made anew, as it does now and then.
    Renewed,
    Failed(PostError),
}

impl From<PostError> for End {
    fn from(error: PostError) -> Self {
        Self::Failed(error)
    }
}

/// Keeps sockets to Slack open until told to stop.
pub async fn run(core: Arc<Core>, slack: Arc<Slack>, stop: CancellationToken) {
    slack.line.connecting(origin(&slack.settings.api_url));
    let desk = Desk { core, slack };
    let tasks = TaskTracker::new();
    for _ in 0..desk.slack.settings.connections.max(1) {
        tasks.spawn(keep_open(desk.clone(), stop.clone()));
    }
    tasks.close();
    tasks.wait().await;
}

/// Keeps one socket open.
async fn keep_open(desk: Desk, stop: CancellationToken) {
    let line = &desk.slack.line;
    let mut backoff = Backoff::from(FIRST_WAIT);
    while !stop.is_cancelled() {
        let began = Instant::now();
        let end = socket(&desk, &stop).await;
        if began.elapsed() > GOOD {
            backoff.reset();
        }
        let now = desk.core.clock.now();
        let mut wait = backoff.next(desk.core.clock.entropy());
        match end {
            End::Stopped => return,
            End::Renewed => debug!("Slack asked for a new socket."),
            End::Failed(PostError::Later { reason, after }) => {
                wait = wait.max(after.unwrap_or_default());
                line.failed(&reason, wait, now);
            }
            End::Failed(PostError::Never(reason)) => {
                line.refused(&reason, "It is asked again, with growing pauses up to a minute.", now);
            }
        }
        if !crate::wire::sleep(wait, &stop).await {
            return;
        }
    }
}

/// One socket, from its address to its end.
async fn socket(desk: &Desk, stop: &CancellationToken) -> End {
    let opening = async {
        let address = desk.slack.client.socket_address().await?;
        let opened = Socket::open(&address, &desk.slack.client.tls(), desk.slack.client.timeout()).await;
        let socket = opened.map_err(|cause| broken(&address, cause))?;
        Ok::<_, PostError>((address, socket))
    };
    let (address, mut socket) = tokio::select! {
        () = stop.cancelled() => return End::Stopped,
        opened = opening => match opened {
            Ok(opened) => opened,
            Err(error) => return error.into(),
        },
    };
    let mut stands = false;
    let end = listen(desk, &address, &mut socket, &mut stands, stop).await;
    if stands {
        desk.slack.line.ended();
    }
    socket.close(NORMAL).await;
    end
}

fn broken(address: &str, cause: Cause) -> PostError {
    PostError::later(Fault::new(address, cause, "Check the way out to this address (firewall, proxy)").to_string())
}

/// Takes frames in until the socket ends. `stands` is set when Slack has said hello.
async fn listen(desk: &Desk, address: &str, socket: &mut Socket, stands: &mut bool, stop: &CancellationToken) -> End {
    // Until Slack has said hello, other frames do not count.
    let mut heard = tokio::time::Instant::now();
    let mut pings = tokio::time::interval(PING_EVERY);
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            () = stop.cancelled() => return End::Stopped,
            () = tokio::time::sleep_until(heard + SILENCE) => Err(Cause::Said("no sign of life".to_owned())),
            frame = socket.next() => frame,
            _ = pings.tick() => match socket.ping(SENDING).await {
                Ok(()) => continue,
                Err(cause) => Err(cause),
            },
        };
        if *stands {
            heard = tokio::time::Instant::now();
        }
        let text = match frame {
            Ok(Frame::Text(text)) => text,
            Ok(Frame::Sign) => continue,
            Ok(Frame::Closed(_)) if *stands => return End::Renewed,
            Ok(Frame::Closed(_)) => return broken(address, Cause::Said("Slack closed it at once".to_owned())).into(),
            Err(cause) => return broken(address, cause).into(),
        };
        let Ok(envelope) = serde_json::from_str::<Json>(&text) else {
            warn!(frame.bytes = text.len(), "A frame of Slack is not JSON.");
            continue;
        };
        match envelope["type"].as_str() {
            Some("hello") if !*stands => {
                *stands = true;
                heard = tokio::time::Instant::now();
                welcome(desk, stop).await;
            }
            Some("disconnect") => match envelope["reason"].as_str() {
                // It comes ahead of the end.
                Some("warning") => {}
                Some(reason @ ("link_disabled" | "too_many_websockets")) => {
                    return PostError::Never(format!("{reason}{}.", advice(reason))).into();
                }
                _ => return End::Renewed,
            },
            _ => {
                let Some(answer) = act_on(desk, &envelope).await else { continue };
                if let Err(cause) = socket.send(answer, SENDING).await {
                    return broken(address, cause).into();
                }
            }
        }
    }
}

/// Slack has said hello: events come from now on.
async fn welcome(desk: &Desk, stop: &CancellationToken) {
    desk.slack.line.stands(desk.core.clock.now());
    // Learnt beside, so that listening does not wait for it.
    if desk.slack.me.get().is_none() {
        tokio::spawn(introduce(desk.clone(), stop.clone()));
    }
    if let Err(error) = catch_up::soon(&desk.core, NAME).await {
        error!(error = format!("{error:#}"), "The look for missed messages was not planned.");
    }
}

/// Asks who the bot is until Slack says it.
async fn introduce(desk: Desk, stop: CancellationToken) {
    let mut backoff = Backoff::from(FIRST_WAIT);
    let mut said = false;
    while let Err(error) = desk.slack.me().await {
        if !std::mem::replace(&mut said, true) {
            warn!(error = %error, "Slack does not say who the bot is; asking again now and then.");
        }
        if !backoff.pause(&*desk.core.clock, None, &stop).await {
            return;
        }
    }
}

/// Acts on an envelope. The answer acknowledges it.
async fn act_on(desk: &Desk, envelope: &Json) -> Option<String> {
    let id = envelope["envelope_id"].as_str()?;
    let payload = &envelope["payload"];
    let work = async {
        match envelope["type"].as_str() {
            Some("events_api") => desk.event(payload).await,
            Some("interactive") => desk.interaction(decode::interaction(payload)).await,
            Some("slash_commands") => desk.interaction(decode::command_json(payload)).await,
            // Something new of Slack's: it would come again and again.
            _ => Ok(None),
        }
    };
    match patiently(work).await {
        Ok(answer) => {
            let mut frame = json!({ "envelope_id": id });
            if let Some(answer) = answer.filter(|_| envelope["accepts_response_payload"] != false) {
                frame["payload"] = answer;
            }
            Some(frame.to_string())
        }
        Err(error) => {
            error!(error = format!("{error:#}"), "An event of Slack was not stored; Slack delivers it again.");
            None
        }
    }
}
