//! Files that travel along: what is attached on one side of a request is posted on the other, each file by a job of its
//! own, so that words never wait for bytes.

use anyhow::Context as _;

use super::{Core, Failure};
use crate::{
    chat::{Card, FileRef, Outbound, OutboundFile, PostError},
    domain::file::readable_size,
    ops::{
        compose::escape,
        deliver,
        work::{self, Outcome},
    },
    store::{
        self, Tx,
        jobs::Job,
        messages::{Message, Place},
        requests::Request,
    },
};

/// After this many attempts a file that cannot be read or posted is given up, and its name is posted with the reason.
const PATIENCE: i64 = 6;

/// Why a file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It is larger than this many bytes.
    TooLarge(usize),
    /// The chat system where it was sent does not give it.
    Unreadable,
    /// The chat system where it should go has no files.
    NoFilesHere,
    /// The chat system where it should go did not take it.
    Refused,
}

impl Missing {
    fn line(self, file: &FileRef, sender: &str) -> String {
        let why = match self {
            Self::TooLarge(most) => {
                let most = readable_size(u64::try_from(most).unwrap_or(u64::MAX));
                format!("it has {}, and at most {most} travel along", readable_size(file.size))
            }
            Self::Unreadable => "it could not be read where it was sent".to_owned(),
            Self::NoFilesHere => "files cannot be shown here".to_owned(),
            Self::Refused => "it could not be posted here".to_owned(),
        };
        let (name, sender) = (escape(&file.name), escape(sender));
        format!("The file **{name}** of **{sender}** is not here: {why}. Ask {sender} where else it can be found.")
    }
}

/// Brings the files in the conversation that `root` began in line with those of `source`: what is missing there is on its
/// way, what `source` no longer has is taken away.
///
/// # Errors
/// When the store refuses.
pub(super) async fn bring(
    core: &Core,
    tx: &mut Tx,
    request: &Request,
    source: &Message,
    root: &Message,
) -> Result<(), Failure> {
    let mut there = Vec::new();
    for copy in copies(tx, source).await?.into_iter().filter(|copy| stands_under(copy, root)) {
        if copy.files.iter().any(|file| source.files.contains(file)) {
            there.extend(copy.files);
        } else {
            take_away(core, tx, source, &copy).await?;
        }
    }
    for file in source.files.iter().filter(|file| !there.contains(file)) {
        let place = Place { thread: Some(root.thread_root().to_owned()), ..root.place.clone() };
        let copy = Message {
            files: vec![file.clone()],
            ..deliver::draft(core, place, root.direct, None, None, &card(source))?
        };
        store::messages::insert(tx, &copy).await?;
        store::requests::add_mirror(tx, request.id, source.id, copy.id).await?;
        enqueue(core, tx, source, &copy).await?;
    }
    Ok(())
}

/// Takes all files of `source` away from the other sides.
///
/// # Errors
/// When the store refuses.
pub(super) async fn forget(core: &Core, tx: &mut Tx, source: &Message) -> anyhow::Result<()> {
    for copy in copies(tx, source).await? {
        take_away(core, tx, source, &copy).await?;
    }
    Ok(())
}

/// The messages that carry files of `source`, as far as they were not taken away.
async fn copies(tx: &mut Tx, source: &Message) -> Result<Vec<Message>, store::Error> {
    let mut found = Vec::new();
    for copy in store::requests::copies(tx, source.id).await? {
        let copy = store::messages::by_id(tx, copy).await?;
        found.extend(copy.filter(|copy| is_file(copy) && copy.deleted_at.is_none()));
    }
    Ok(found)
}

/// Does the copy carry a file, rather than words? Words are never deleted: others take their place.
pub(super) fn is_file(copy: &Message) -> bool {
    copy.deleted_at.is_some() || !copy.files.is_empty()
}

/// Does it stand in the conversation that `root` began?
pub(super) fn stands_under(copy: &Message, root: &Message) -> bool {
    let place = &copy.place;
    place.chat == root.place.chat
        && place.channel == root.place.channel
        && place.thread.as_deref() == Some(root.thread_root())
}

async fn take_away(core: &Core, tx: &mut Tx, source: &Message, copy: &Message) -> anyhow::Result<()> {
    if store::messages::delete(tx, copy.id, core.clock.now()).await? {
        enqueue(core, tx, source, copy).await?;
    }
    Ok(())
}

async fn enqueue(core: &Core, tx: &mut Tx, source: &Message, copy: &Message) -> anyhow::Result<()> {
    // One after the other, so that a file is taken away after it was posted.
    let lane = format!("file {}", copy.id);
    let payload = work::CarryFile { source: source.id, copy: copy.id };
    work::enqueue(tx, core, work::CARRY_FILE, &payload, Some(lane), None).await.context("enqueue the file")
}

fn card(source: &Message) -> Card {
    Card::text(format!("From **{}**", escape(&source.author_name)))
}

/// Handles a `carry_file` job: posts the file, or takes it away when it is not wanted any more.
pub async fn carry(core: &Core, job: &Job, payload: &work::CarryFile) -> Outcome {
    match look(core, payload).await {
        Ok(None) => Outcome::Done,
        Ok(Some((source, copy))) => match settle(core, job, &source, &copy).await {
            Ok(()) => Outcome::Done,
            Err(error) => work::outcome_of_call(core, job, error),
        },
        Err(error) => Outcome::Retry(work::retry_after(core, job), error),
    }
}

/// The message and its copy, when there is something to do.
async fn look(core: &Core, payload: &work::CarryFile) -> anyhow::Result<Option<(Message, Message)>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    let source = store::messages::by_id(&mut tx, payload.source).await.context("load the message")?;
    let copy = store::messages::by_id(&mut tx, payload.copy).await.context("load the copy")?;
    let both = source.zip(copy);
    Ok(both.filter(|(_, copy)| copy.posted_at.is_some() == copy.deleted_at.is_some()))
}

async fn settle(core: &Core, job: &Job, source: &Message, copy: &Message) -> Result<(), PostError> {
    let chat = core.chats.get(copy.place.chat.as_str());
    let chat = chat.ok_or_else(|| PostError::Never("the chat system of the other side is off".to_owned()))?;
    let Place { channel, thread, .. } = &copy.place;
    if deliver::is_pending(thread.as_deref()) {
        return Err(PostError::later("the message that begins the thread is not posted yet"));
    }
    if copy.deleted_at.is_some() {
        return chat.take_away(channel, thread.as_deref(), &copy.external_id).await;
    }
    let Some(file) = copy.files.first() else { return Ok(()) };
    let mut outbound = Outbound {
        channel: channel.clone(),
        thread: thread.clone(),
        private_to: None,
        way_back: None,
        card: card(source),
        replaces: None,
        doubtful: deliver::is_doubtful(core, job),
        first: false,
        file: None,
    };
    let missing = match fetch(core, job, source, file, chat.capabilities().files).await? {
        Ok(bytes) => {
            outbound.file = Some(OutboundFile { name: file.name.clone(), bytes, alt: None });
            match chat.post(job.id, &outbound).await {
                Ok(id) => return record(core, copy, &id, None).await,
                Err(PostError::Never(reason)) => {
                    tracing::warn!(message.id = %source.id, reason, "A file was not taken; its name is posted.");
                    Missing::Refused
                }
                Err(later) if job.attempts < PATIENCE => return Err(later),
                Err(_) => Missing::Refused,
            }
        }
        Err(missing) => missing,
    };
    let line = Card::text(missing.line(file, &source.author_name));
    let outbound = Outbound { card: line, file: None, ..outbound };
    let id = chat.post(job.id, &outbound).await?;
    record(core, copy, &id, Some(&outbound.card)).await
}

/// What is in the file, or why it is missing; an error when it can be tried again.
async fn fetch(
    core: &Core,
    job: &Job,
    source: &Message,
    file: &FileRef,
    shows_files: bool,
) -> Result<Result<Vec<u8>, Missing>, PostError> {
    let most = core.config.server.requests.max_file_bytes;
    if !shows_files {
        return Ok(Err(Missing::NoFilesHere));
    }
    if usize::try_from(file.size).map_or(true, |size| size > most) {
        return Ok(Err(Missing::TooLarge(most)));
    }
    let Some(chat) = core.chats.get(source.place.chat.as_str()) else { return Ok(Err(Missing::Unreadable)) };
    match chat.fetch(file, most).await {
        Ok(bytes) if bytes.is_empty() => Ok(Err(Missing::Unreadable)),
        Ok(bytes) => Ok(Ok(bytes)),
        Err(PostError::Later { .. }) if job.attempts >= PATIENCE => Ok(Err(Missing::Unreadable)),
        Err(later @ PostError::Later { .. }) => Err(later),
        Err(PostError::Never(reason)) => {
            tracing::warn!(message.id = %source.id, reason, "A file could not be read; its name is posted.");
            Ok(Err(Missing::Unreadable))
        }
    }
}

/// Keeps what was posted, and the card that stands there instead of the file.
async fn record(core: &Core, copy: &Message, external_id: &str, instead: Option<&Card>) -> Result<(), PostError> {
    let kept = async {
        if let Some(card) = instead {
            let mut tx = core.db.write().await.context("open a transaction")?;
            let value = serde_json::to_value(card).context("write the card")?;
            store::messages::replace_card(&mut tx, copy.id, &card.to_markdown(), &value, core.clock.now()).await?;
            core.db.commit(tx).await.context("commit the card")?;
        }
        deliver::record(core, copy, external_id).await
    };
    kept.await.map_err(|error| PostError::later(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_with_the_reason() {
        #[track_caller]
        fn check(missing: Missing, expected: &str) {
            let file = FileRef { name: "a*b.iso".into(), mime: "x/y".into(), size: 25_000_000, handle: "1".into() };
            let line = missing.line(&file, "Ann");
            assert!(line.starts_with("The file **a\\*b.iso** of **Ann** is not here: "), "{line}");
            assert!(line.contains(expected), "{line}");
        }
        check(Missing::TooLarge(10_000_000), "it has 25 MB, and at most 10 MB travel along");
        check(Missing::Unreadable, "could not be read");
        check(Missing::NoFilesHere, "cannot be shown here");
        check(Missing::Refused, "could not be posted");
    }
}
