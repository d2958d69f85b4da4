//! Answers that grow in their place, by Slack's own streams where it gives them. What is streamed is only what is seen
//! meanwhile: the whole card replaces it in the end.

use std::time::Duration;

use moka::sync::Cache;
use serde_json::{Value as Json, json};

use super::{Slack, render};
use crate::{
    chat::{Block, Card, Outbound, PostError},
    domain::ids::JobId,
};

/// Streams that are remembered.
const STREAMS: u64 = 10_000;
/// Slack closes a stream to which nothing comes for some minutes.
const OPEN_FOR: Duration = Duration::from_mins(5);
/// Where Slack gave no stream it is asked again after this time: apps and channels change.
const REFUSED_FOR: Duration = Duration::from_hours(1);
/// A message is streaming, so it cannot be replaced.
const CONFLICT: &str = "streaming_state_conflict";

/// What this process knows of its streams. Without it (after a restart, or in another replica) answers grow by edits.
#[derive(Debug)]
pub(super) struct Streams {
    /// What was said so far, by channel and message.
    open: Cache<(String, String), String>,
    /// Channels that have no streams.
    refused: Cache<String, ()>,
}

impl Streams {
    pub(super) fn new() -> Self {
        let open = Cache::builder().max_capacity(STREAMS).time_to_idle(OPEN_FOR).build();
        let refused = Cache::builder().max_capacity(STREAMS).time_to_live(REFUSED_FOR).build();
        Self { open, refused }
    }
}

/// The id of a stream's first block: by it a stream is found again, as Slack takes no metadata for one that is open.
pub(super) fn block_id(job: JobId) -> String {
    format!("stationmaster {job}")
}

/// What is said on a card that grows.
fn words(card: &Card) -> String {
    let text = card.blocks.iter().filter_map(|block| match block {
        Block::Text { markdown } => Some(markdown.as_str()),
        _ => None,
    });
    text.collect::<Vec<_>>().join("\n\n")
}

/// What was said after `before`. The number of a citation may have moved on, behind the next sentence that it belongs to.
/// `None` where something else was said instead.
fn since<'a>(before: &str, said: &'a str) -> Option<&'a str> {
    let same: usize = before.chars().zip(said.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let moved = before[same..].chars().all(|c| c.is_ascii_digit() || matches!(c, '[' | ']' | ' '));
    moved.then(|| &said[same..])
}

impl Slack {
    /// Begins a stream with what is said so far, or adds to it what was said since. `reader` asked. `None` where the
    /// message is to be posted or replaced as any other.
    pub(super) async fn grow(
        &self,
        job: JobId,
        outbound: &Outbound,
        reader: &str,
    ) -> Result<Option<String>, PostError> {
        let said = words(&outbound.card);
        match &outbound.replaces {
            Some(ts) => self.append(outbound, ts, said).await,
            None => self.start(job, outbound, reader, said).await,
        }
    }

    async fn start(
        &self,
        job: JobId,
        outbound: &Outbound,
        reader: &str,
        said: String,
    ) -> Result<Option<String>, PostError> {
        let channel = &outbound.channel;
        let Some(thread) = outbound.thread.as_ref().filter(|_| !outbound.doubtful) else { return Ok(None) };
        if self.streams.refused.contains_key(channel) {
            return Ok(None);
        }
        let mut blocks = render::sections_of(&said);
        if let Some(first) = blocks.first_mut() {
            first["block_id"] = json!(block_id(job));
        }
        let body = json!({
            "channel": channel,
            "thread_ts": thread,
            "recipient_user_id": reader,
            "recipient_team_id": self.me().await?.team,
            "chunks": [{ "type": "blocks", "blocks": blocks }],
        });
        match self.client.call("chat.startStream", &body).await {
            Ok(answer) => {
                let ts = answer["ts"].as_str().ok_or_else(|| PostError::later("it did not say where the stream is"))?;
                self.streams.open.insert((channel.clone(), ts.to_owned()), said);
                Ok(Some(ts.to_owned()))
            }
            Err(PostError::Never(reason)) => {
                tracing::debug!(reason, "Slack gives no stream here; answers grow by edits.");
                self.streams.refused.insert(channel.clone(), ());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn append(&self, outbound: &Outbound, ts: &str, said: String) -> Result<Option<String>, PostError> {
        let key = (outbound.channel.clone(), ts.to_owned());
        let Some(before) = self.streams.open.get(&key) else { return Ok(None) };
        // A stream takes back nothing, and what may have been added before is not said twice: the whole card mends both.
        let more = since(&before, &said).filter(|more| !more.trim().is_empty() && !outbound.doubtful);
        let Some(more) = more else { return Ok(Some(ts.to_owned())) };
        let chunk = json!({ "type": "blocks", "blocks": render::sections_of(more) });
        let body = json!({ "channel": outbound.channel, "ts": ts, "chunks": [chunk] });
        match self.client.call("chat.appendStream", &body).await {
            Ok(_) => {
                self.streams.open.insert(key, said);
                Ok(Some(ts.to_owned()))
            }
            Err(PostError::Never(reason)) => {
                tracing::debug!(reason, "A stream is over before its answer; it goes on by edits.");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces a message, whether it is streaming or not.
    pub(super) async fn replace(&self, channel: &str, ts: &str, body: &Json) -> Result<(), PostError> {
        if self.streams.open.remove(&(channel.to_owned(), ts.to_owned())).is_some() {
            self.stop(channel, ts).await?;
        }
        match self.client.call("chat.update", body).await {
            Err(PostError::Never(reason)) if reason.starts_with(CONFLICT) => {
                self.stop(channel, ts).await?;
                self.client.call("chat.update", body).await.map(|_| ())
            }
            answer => answer.map(|_| ()),
        }
    }

    /// Ends a stream; one that is over is fine.
    async fn stop(&self, channel: &str, ts: &str) -> Result<(), PostError> {
        match self.client.call("chat.stopStream", &json!({ "channel": channel, "ts": ts })).await {
            Err(error @ PostError::Later { .. }) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_added() {
        #[track_caller]
        fn check(before: &str, said: &str, expected: Option<&str>) {
            assert_eq!(since(before, said), expected, "{before} → {said}");
        }
        check("Kept 35 days. [1]", "Kept 35 days. [1]\n\nOthers 14. [2]", Some("\n\nOthers 14. [2]"));
        check("Kept 35 days. [1]", "Kept 35 days. Others 14. [1]", Some("Others 14. [1]"));
        check("Kept 35 days. [1] [2]", "Kept 35 days. Others 14. [1] [2]", Some("Others 14. [1] [2]"));
        check("Für immer. [1]", "Für immer. Überall. [1]", Some("Überall. [1]"));
        check("Kept 35 days. [1]", "Kept 35 days. [1]", Some(""));
        check("Kept 35 days. [1]", "Never kept. [1]", None);
        check("Kept 35 days. [1]", "", None);
    }
}
