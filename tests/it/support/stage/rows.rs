//! What the store holds of a transcript, without ids, times and the chat system's own names.

use std::fmt::Write as _;

use stationmaster::{
    chat::{Block, Card},
    domain::ids::MessageId,
    store::{self, Sql, Tx, feedback::Feedback, messages::Message, requests::Request},
};

use super::{ChatKind, DISCORD_PEOPLE, SLACK_PEOPLE, Stage};

impl Stage {
    /// Every message, with what became of it, and every request, as text to be compared.
    pub async fn rows(&self) -> String {
        let mut out = String::new();
        for message in self.messages().await {
            if message.from_bot {
                self.write_said(&mut out, &message);
            } else {
                self.write_heard(&mut out, &message).await;
            }
        }
        self.write_requests(&mut out).await;
        self.write_feedback(&mut out).await;
        for (name, instead) in &*self.disguises.lock().expect("no test panics while it holds this") {
            let whole = format!(r"\b{}\b", regex::escape(name));
            out = regex::Regex::new(&whole).expect("a pattern").replace_all(&out, instead).into_owned();
        }
        // Codes are drawn by chance, and no chat system takes as long as another.
        let plain = |pattern: &str, text: &str, instead: &str| {
            regex::Regex::new(pattern).expect("a pattern").replace_all(text, instead).into_owned()
        };
        plain(r"\b\d\d:\d\d\b", &plain(r"link [A-Z2-9]{8}\b", &out, "link CODE"), "HH:MM")
    }

    /// From now on the rows show something else for these names.
    pub fn disguise(&self, names: &[(&str, &str)]) {
        let names = names.iter().map(|(name, instead)| ((*name).to_owned(), (*instead).to_owned()));
        self.disguises.lock().expect("no test panics while it holds this").extend(names);
    }

    pub(super) async fn messages(&self) -> Vec<Message> {
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        let ids = Sql("SELECT id FROM messages ORDER BY created_at, id").bare().all(&mut tx).await.expect("rows");
        let mut messages = Vec::new();
        for row in ids {
            let id = MessageId::from_uuid(row.get("id").expect("an id"));
            messages.push(store::messages::by_id(&mut tx, id).await.expect("rows").expect("a message"));
        }
        messages
    }

    /// A message of the bot, and its buttons.
    fn write_said(&self, out: &mut String, message: &Message) {
        let place = self.place_name(message);
        let card: Option<Card> = message.card.clone().and_then(|json| serde_json::from_value(json).ok());
        let private = message.private_to.as_deref().map(|to| format!(" for {}", self.person_name(to)));
        let posted = if message.posted_at.is_some() { "" } else { " WAITING" };
        line(out, format_args!("bot in {place}{}{posted}: {}", private.unwrap_or_default(), one_line(&message.text)));
        let rows = card.iter().flat_map(|card| &card.blocks);
        let labels: Vec<&str> = rows
            .filter_map(|block| match block {
                Block::Buttons { items } => Some(items.iter().map(|button| button.label.as_str())),
                _ => None,
            })
            .flatten()
            .collect();
        if !labels.is_empty() {
            line(out, format_args!("    [{}]", labels.join("] [")));
        }
    }

    /// A message of a person, and what was decided, answered and rated.
    async fn write_heard(&self, out: &mut String, message: &Message) {
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        let state = if message.deleted_at.is_some() { " DELETED" } else { "" };
        let (author, place) = (self.person_name(&message.author), self.place_name(message));
        line(
            out,
            format_args!("{author} in {place}{state} revision {}: {}", message.revision, one_line(&message.text)),
        );
        if let Some(decision) = store::inbox::decision(&mut tx, message.id).await.expect("rows") {
            line(out, format_args!("    {} as {:?}", decision.outcome, decision.kind));
        }
        if let Some(question) = store::answers::question_of_message(&mut tx, message.id).await.expect("rows") {
            for answer in store::answers::of_question(&mut tx, question.id).await.expect("rows") {
                line(out, format_args!("    answer {:?} {:?}", answer.verdict, answer.mode));
                for rating in store::ratings::of_answer(&mut tx, answer.id).await.expect("rows") {
                    let store::ratings::Rating { person, helpful, reason, comment, .. } = rating;
                    line(out, format_args!("    rated by {person}: helpful {helpful} {reason:?} {comment:?}"));
                }
            }
        }
        for feedback in store::feedback::of_message(&mut tx, message.id).await.expect("rows") {
            line(
                out,
                format_args!(
                    "    feedback by {}: {}",
                    feedback.person.as_deref().unwrap_or("nobody"),
                    feedback.kind.id()
                ),
            );
        }
    }

    /// The requests in the order of their numbers, each with the kinds of its timeline.
    async fn write_requests(&self, out: &mut String) {
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        for number in 1.. {
            let Some(request) = store::requests::by_number(&mut tx, number).await.expect("rows") else { return };
            write_request(out, &mut tx, &request).await;
        }
    }

    /// What was said to the owner, the newest first. What has no name has no day either.
    async fn write_feedback(&self, out: &mut String) {
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        for feedback in store::feedback::newest(&mut tx, "harbor", 50).await.expect("rows") {
            let Feedback { number, kind, person, team, capability, effort, contact, text, .. } = feedback;
            let theme = if feedback.theme.is_some() { " in a theme" } else { "" };
            line(out, format_args!("feedback F{number}{theme} {} by {person:?} of {team:?}: {text}", kind.id()));
            line(out, format_args!("    about {capability:?}, effort {effort:?}, contact {contact}"));
        }
    }

    fn person_name(&self, id: &str) -> String {
        let known = match self.kind {
            ChatKind::Console => None,
            ChatKind::Slack => SLACK_PEOPLE.iter().find(|(_, user, _)| *user == id).map(|(name, ..)| *name),
            ChatKind::Discord => {
                DISCORD_PEOPLE.iter().find(|(_, user, _)| user.to_string() == id).map(|(name, ..)| *name)
            }
        };
        known.unwrap_or(id).to_owned()
    }

    fn place_name(&self, message: &Message) -> String {
        if message.direct {
            return "a direct message".to_owned();
        }
        let named = self.world.core.config.channel(&message.place.chat, &message.place.channel);
        named.map_or_else(|| message.place.channel.clone(), |(_, channel)| channel.name.clone())
    }
}

async fn write_request(out: &mut String, tx: &mut Tx, request: &Request) {
    let Request { number, title, requester, route, assignee, team, outcome, cause, reopened, .. } = request;
    let private = if request.private { " private" } else { "" };
    line(out, format_args!("request #{number}{private} {} by {requester} of {team:?}: {title}", request.kind.id()));
    line(out, format_args!("    {} in {route} by {}", request.state.id(), request.routed_by.id()));
    line(out, format_args!("    priority {} about {:?}, with {assignee:?}", request.priority.id(), request.capability));
    line(out, format_args!("    outcome {outcome:?}, cause {cause:?}, came back {reopened} times"));
    let events = store::requests::events(tx, request.id).await.expect("rows");
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    line(out, format_args!("    timeline: {}", kinds.join(", ")));
    for (person, _) in store::requests::followers(tx, request.id).await.expect("rows") {
        line(out, format_args!("    followed by {person}"));
    }
}

fn line(out: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(out, "{words}").expect("a text takes every line");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
