//! Files at Slack: read with the bot's token, shared by the three steps of an upload
//! (docs.slack.dev, "Working with files": `files.getUploadURLExternal`, the upload, `files.completeUploadExternal`).

use serde_json::{Value as Json, json};

use super::{CLOCKS_DIFFER, LOOK_BACK, Slack, text};
use crate::{
    chat::{FileRef, Outbound, OutboundFile, PostError},
    domain::ids::JobId,
};

/// What stands before a file's id where other messages have their stamp: an upload is shared some time later, and Slack
/// does not say when.
const FILE: &str = "file ";
/// Longest description of a picture, in characters.
const MOST_ALT: usize = 1000;

impl Slack {
    pub(super) async fn read_file(&self, file: &FileRef, limit: usize) -> Result<Vec<u8>, PostError> {
        let answer = self.client.read("files.info", &[("file", file.handle.clone())]).await?;
        let address = answer["file"]["url_private_download"].as_str();
        let address = address.ok_or_else(|| PostError::Never("Slack gives the file to nobody".to_owned()))?;
        self.client.download(address, limit).await
    }

    /// Shares a file with the words that go along. Before a doubtful upload is repeated, the file is looked for.
    pub(super) async fn share(
        &self,
        job: JobId,
        outbound: &Outbound,
        file: &OutboundFile,
        words: &str,
    ) -> Result<String, PostError> {
        if outbound.doubtful
            && let Some(id) = self.find_file(job, outbound, file).await?
        {
            return Ok(format!("{FILE}{id}"));
        }
        let size = file.bytes.len().to_string();
        let mut place = vec![("filename", file.name.clone()), ("length", size)];
        place.extend(file.alt.as_ref().map(|alt| ("alt_txt", alt.chars().take(MOST_ALT).collect())));
        let place = self.client.read("files.getUploadURLExternal", &place).await?;
        let (Some(address), Some(id)) = (place["upload_url"].as_str(), place["file_id"].as_str()) else {
            return Err(PostError::later("Slack named no address for a file"));
        };
        self.client.upload(address, file.bytes.clone()).await?;
        let mut body = json!({
            "files": [{ "id": id, "title": file.name }],
            "channel_id": outbound.channel,
            "initial_comment": words,
        });
        if let Some(thread) = &outbound.thread {
            body["thread_ts"] = json!(thread);
        }
        self.client.call("files.completeUploadExternal", &body).await?;
        Ok(format!("{FILE}{id}"))
    }

    /// The file that an earlier attempt of this job shared: the bot's own, of this name and size, in the conversation.
    async fn find_file(
        &self,
        job: JobId,
        outbound: &Outbound,
        file: &OutboundFile,
    ) -> Result<Option<String>, PostError> {
        let me = self.me().await?.user.clone();
        let since = job.uuid().get_timestamp().map_or(0, |stamp| stamp.to_unix().0).saturating_sub(CLOCKS_DIFFER);
        let arguments = vec![("oldest", format!("{since}.000000"))];
        let messages = self.pages(&outbound.channel, outbound.thread.as_deref(), arguments, LOOK_BACK).await?;
        let own = messages.iter().filter(|message| message["user"] == me.as_str());
        let mut shared = own.flat_map(|message| message["files"].as_array().into_iter().flatten());
        let found = shared.find(|other| is_same(other, file));
        Ok(found.and_then(|other| other["id"].as_str().map(str::to_owned)))
    }

    /// Deletes a shared file, or the message that stands where a file could not be shared.
    pub(super) async fn unshare(&self, channel: &str, external_id: &str) -> Result<(), PostError> {
        let answer = match external_id.strip_prefix(FILE) {
            Some(id) => self.client.call("files.delete", &json!({ "file": id })).await,
            None => self.client.call("chat.delete", &json!({ "channel": channel, "ts": external_id })).await,
        };
        match answer {
            Err(PostError::Never(reason)) if is_gone(&reason) => Ok(()),
            answer => answer.map(|_| ()),
        }
    }
}

fn is_gone(reason: &str) -> bool {
    ["file_not_found", "file_deleted", "message_not_found"].contains(&reason)
}

fn is_same(other: &Json, file: &OutboundFile) -> bool {
    text(&other["title"]) == file.name && other["size"].as_u64() == u64::try_from(file.bytes.len()).ok()
}
