//! Who is behind an identity: files, links that people made, verified addresses and groups of the chat system.

use std::time::Duration;

use anyhow::Context as _;
use tracing::info;

use super::{
    Core, UserError,
    work::{self, Outcome},
};
use crate::{
    chat::{Author, PostError},
    domain::people::Person,
    store::{self, Tx, jobs::Job, messages::Message},
};

/// In links, the name that stands for the platforms' files instead of a chat system.
const FILES: &str = "files";
/// How long a code for linking is good.
const CODE_LIFETIME: Duration = Duration::from_mins(10);
/// Letters and digits that nobody mistakes for one another.
const CODE_ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
const CODE_LENGTH: usize = 8;
/// A chat system is asked again about a person after this time.
const ASK_AGAIN: Duration = Duration::from_hours(24 * 30);

/// The person behind an identity, with the teams that the chat system's groups give them.
///
/// # Errors
/// When the store refuses.
pub async fn person(core: &Core, tx: &mut Tx, chat: &str, external_id: &str, name: &str) -> store::Result<Person> {
    let mut person = match core.config.member_of(chat, external_id) {
        Some(_) => core.config.person(chat, external_id, name),
        None => match store::people::owner(tx, chat, external_id).await? {
            Some((owner, id)) if owner == FILES => {
                core.config.member(&id).unwrap_or_else(|| Person::stranger(id, name))
            }
            Some((owner, id)) => core.config.person(&owner, &id, name),
            None => core.config.person(chat, external_id, name),
        },
    };
    let groups = store::people::groups_of(tx, chat, external_id).await?;
    person.teams.extend(core.config.teams_of_groups(chat, &groups));
    Ok(person)
}

/// The person of an id: somebody the files name, or the identity it stands for.
///
/// # Errors
/// When the store refuses.
pub async fn by_id(core: &Core, tx: &mut Tx, id: &str) -> store::Result<Person> {
    match (core.config.member(id), id.split_once(':')) {
        (Some(person), _) => Ok(person),
        (None, Some((chat, external_id))) => {
            let name = display_name(tx, chat, &Author::known(external_id, "")).await?;
            person(core, tx, chat, external_id, &name).await
        }
        (None, None) => Ok(Person::stranger(id, id)),
    }
}

/// Whoever a verified address belongs to: the person of the files who has it, else all who have it in a chat system.
///
/// # Errors
/// When the store refuses.
pub async fn with_address(core: &Core, tx: &mut Tx, address: &str) -> store::Result<Vec<Person>> {
    if let Some(member) = core.config.member_with_email(address).and_then(|id| core.config.member(id)) {
        return Ok(vec![member]);
    }
    let mut known: Vec<Person> = Vec::new();
    for (chat, external_id, name) in store::people::with_email(tx, address).await? {
        let person = person(core, tx, &chat, &external_id, &name).await?;
        if known.iter().all(|other| other.id != person.id) {
            known.push(person);
        }
    }
    Ok(known)
}

/// The name to show for a person.
///
/// # Errors
/// When the store refuses.
pub async fn name_of(core: &Core, tx: &mut Tx, id: &str) -> store::Result<String> {
    Ok(by_id(core, tx, id).await?.name)
}

/// The name to show for an identity: as it came with the event, else as it was looked up, else its id.
///
/// # Errors
/// When the store refuses.
pub async fn display_name(tx: &mut Tx, chat: &str, author: &Author) -> store::Result<String> {
    if !author.name.is_empty() {
        return Ok(author.name.clone());
    }
    let known = store::people::identity(tx, chat, &author.id).await?.map(|identity| identity.display_name);
    Ok(known.filter(|name| !name.is_empty()).unwrap_or_else(|| author.id.clone()))
}

/// Remembers whoever an event came from, and plans to look them up once when the event does not name them.
///
/// # Errors
/// When the store refuses.
pub async fn meet(core: &Core, tx: &mut Tx, chat: &str, author: &Author) -> store::Result<()> {
    let now = core.clock.now();
    store::people::remember(tx, chat, &author.id, &author.name, now).await?;
    if let Some(groups) = &author.groups {
        let mut groups = groups.clone();
        groups.sort();
        store::people::set_groups_of(tx, chat, &author.id, &groups).await?;
    }
    if author.name.is_empty() {
        let known = store::people::identity(tx, chat, &author.id).await?;
        let stale = known.and_then(|known| known.looked_up_at).is_none_or(|at| now.since(at) >= ASK_AGAIN);
        if stale {
            let payload = work::LookUp { chat: chat.to_owned(), identity: author.id.clone() };
            let once = Some(format!("look up {chat} {}", author.id));
            work::enqueue(tx, core, work::LOOK_UP, &payload, None, once).await?;
        }
    }
    Ok(())
}

/// Asks the chat system about an identity, once; an address it verified links the identity to the person of that address.
pub async fn look_up(core: &Core, job: &Job, payload: &work::LookUp) -> Outcome {
    let Some(chat) = core.chats.get(payload.chat.as_str()) else { return Outcome::Done };
    let profile = match chat.profile(&payload.identity).await {
        Ok(profile) => profile.unwrap_or_default(),
        Err(error @ PostError::Later { .. }) => return Outcome::Retry(work::retry_after(core, job), error.into()),
        // A missing scope must not pile up dead jobs: the name stays the id, and `check` says which scope is missing.
        Err(PostError::Never(reason)) => {
            tracing::warn!(reason, "A person could not be looked up.");
            crate::chat::Profile::default()
        }
    };
    let done = async {
        let mut tx = core.db.write().await.context("open a transaction")?;
        let now = core.clock.now();
        let email = profile.email.as_deref();
        store::people::looked_up(&mut tx, &payload.chat, &payload.identity, &profile.name, email, now).await?;
        if let Some(member) = email.and_then(|email| core.config.member_with_email(email))
            && core.config.member_of(&payload.chat, &payload.identity).is_none()
        {
            let identity = (payload.chat.as_str(), payload.identity.as_str());
            store::people::link(&mut tx, identity, (FILES, member), "email", now).await?;
            adopt(core, &mut tx, identity).await?;
        }
        core.db.commit(tx).await.context("commit the profile")
    };
    match done.await {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Retry(work::retry_after(core, job), error),
    }
}

/// Gives out a code that links a second identity to this one.
///
/// # Errors
/// When the store refuses.
pub async fn offer_code(core: &Core, tx: &mut Tx, chat: &str, external_id: &str) -> store::Result<String> {
    let mut entropy = core.clock.entropy();
    let radix = CODE_ALPHABET.len() as u128;
    let code: String = (0..CODE_LENGTH)
        .map(|_| {
            let digit = usize::try_from(entropy % radix).unwrap_or(0);
            entropy /= radix;
            char::from(CODE_ALPHABET[digit])
        })
        .collect();
    store::people::offer_code(tx, &code, chat, external_id, core.clock.now().plus(CODE_LIFETIME)).await?;
    Ok(code)
}

/// The code in `link ABCD2345`, if a message says nothing else.
pub fn code_in(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let (first, code, rest) = (words.next()?, words.next()?, words.next());
    let code = code.to_uppercase();
    let fits = code.len() == CODE_LENGTH && code.bytes().all(|byte| CODE_ALPHABET.contains(&byte));
    (rest.is_none() && first.eq_ignore_ascii_case("link") && fits).then_some(code)
}

/// Whose code it is that somebody sent: chat system and name, for them to see before anything is linked.
///
/// # Errors
/// When the store refuses.
pub async fn holder(
    core: &Core,
    tx: &mut Tx,
    message: &Message,
    code: &str,
) -> store::Result<Result<(String, String), UserError>> {
    let known = store::people::holder_of_code(tx, code, core.clock.now()).await?;
    let Some((chat, id)) = known else {
        return Ok(Err(UserError::new(
            "I do not know that code, or it has run out.",
            "Ask for a new one with `link`.",
        )));
    };
    // In one workspace a person has one account: whoever offers a code there is somebody else.
    if chat == message.place.chat {
        return Ok(Err(UserError::new(
            "The code is for your other account.",
            "Send it to me from there, on the other chat system.",
        )));
    }
    let name = store::people::identity(tx, &chat, &id).await?.map(|identity| identity.display_name);
    Ok(Ok((chat, name.filter(|name| !name.is_empty()).unwrap_or(id))))
}

/// Links the identity that wrote `message` to the one the code was given to. Says what came of it.
///
/// # Errors
/// When the store refuses.
pub async fn redeem(
    core: &Core,
    tx: &mut Tx,
    message: &Message,
    code: &str,
) -> store::Result<Result<String, UserError>> {
    let (first_chat, name) = match holder(core, tx, message, code).await? {
        Ok(holder) => holder,
        Err(refused) => return Ok(Err(refused)),
    };
    let now = core.clock.now();
    let first = store::people::holder_of_code(tx, code, now).await?;
    let Some((_, first_id)) = first else {
        return Ok(Err(UserError::new("The code has run out.", "Ask for a new one with `link`.")));
    };
    if !store::people::use_code_up(tx, code).await? {
        return Ok(Err(UserError::new("The code was used already.", "Ask for a new one with `link`.")));
    }
    let (chat, external_id) = (message.place.chat.as_str(), message.author.as_str());
    // Whom the files name stands for both; else the first identity does, or whoever stood for it already.
    let (identity, owner) = if core.config.member_of(chat, external_id).is_some() {
        ((first_chat.clone(), first_id), (chat.to_owned(), external_id.to_owned()))
    } else {
        let owner = store::people::owner(tx, &first_chat, &first_id).await?;
        ((chat.to_owned(), external_id.to_owned()), owner.unwrap_or((first_chat.clone(), first_id)))
    };
    store::people::link(tx, (&identity.0, &identity.1), (&owner.0, &owner.1), "code", now).await?;
    adopt(core, tx, (&identity.0, &identity.1)).await?;
    info!(message.id = %message.id, "Two identities were linked by a code.");
    Ok(Ok(format!("Done: I know now that you are also {} on {first_chat}.", super::compose::escape(&name))))
}

/// What was done under the identity alone becomes the doing of the person it was linked to.
async fn adopt(core: &Core, tx: &mut Tx, identity: (&str, &str)) -> store::Result<()> {
    let alone = core.config.person(identity.0, identity.1, "").id;
    let person = person(core, tx, identity.0, identity.1, "").await?.id;
    if alone == person { Ok(()) } else { store::people::adopt(tx, &alone, &person).await }
}

/// Reads the members of every group that the files name, for chat systems whose events do not tell.
///
/// # Errors
/// When the store refuses. A chat system that does not answer leaves what was known.
pub async fn refresh_groups(core: &Core, chat: &str) -> anyhow::Result<()> {
    let Some(system) = core.chats.get(chat) else { return Ok(()) };
    for group in core.config.groups_of(chat) {
        match system.group(&group).await {
            Ok(None) => {}
            Ok(Some(members)) => {
                let mut tx = core.db.write().await.context("open a transaction")?;
                store::people::set_members_of(&mut tx, chat, &group, &members).await.context("store a group")?;
                core.db.commit(tx).await.context("commit a group")?;
            }
            Err(error) => tracing::warn!(error = %error, "A group's members could not be read."),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(code_in(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn a_code_stands_alone_after_the_word() {
        check("link abcd2345", Some("ABCD2345"));
        check(" Link ABCD2345 ", Some("ABCD2345"));
        check("link ABCD2345 please", None);
        check("link ABC", None);
        check("unlink ABCD2345", None);
    }
}
