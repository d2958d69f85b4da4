//! Slack's events in: from sockets (`sockets`) or as signed requests. Each is stored before it is acknowledged; what must be
//! said at once (a form, a notice) is said right after.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};
use slack_morphism::signature_verifier::SlackEventSignatureVerifier;
use tracing::{error, warn};

use super::{
    NAME, Slack,
    decode::{self, Interaction},
    render,
};
use crate::{
    chat::{Card, Form, Inbound, InboundOpening, OwnRoom, Webhook, WebhookReply, WebhookRequest, markup},
    ops::{
        Core, Failure, FormErrors, UserError,
        act::{self, Response},
        catch_up, command, intake,
    },
};

/// Largest body of a request; Slack's own are far smaller.
const MAX_BODY: usize = 512 * 1024;
/// How long the store may take before Slack is left to deliver again.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Said to whoever waits for a form that did not open.
const TOO_LATE: &str = "The form could not be opened: it was ready too late for Slack. Please try again.";

/// What is answered to Slack: that the event is taken, and perhaps something to show.
pub(super) type Acknowledged = Result<Option<Json>, anyhow::Error>;

/// Takes events in, whichever way they come.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) core: Arc<Core>,
    pub(super) slack: Arc<Slack>,
}

impl Desk {
    pub(super) async fn event(&self, payload: &Json) -> Acknowledged {
        // Without the own id the event's own authorization serves, so a slow Slack does not delay the answer to it.
        let me = self.slack.me.get().map(|me| me.user.as_str());
        let Some(inbound) = decode::event(payload, me) else { return Ok(None) };
        if let Inbound::Opened(InboundOpening { room: OwnRoom::Pane { thread, .. }, .. }) = &inbound {
            self.slack.panes.insert(thread.clone(), ());
        }
        intake::receive(&self.core, inbound).await?;
        Ok(None)
    }

    pub(super) async fn interaction(&self, interaction: Interaction) -> Acknowledged {
        match interaction {
            Interaction::Nothing => Ok(None),
            Interaction::Press { press, trigger, way_back, place } => {
                let response = act::press(&self.core, &press).await;
                let person = press.actor.id;
                self.after(trigger, way_back, place, person, response)?;
                Ok(None)
            }
            Interaction::Submission { press, fields } => Ok(match act::press(&self.core, &press).await {
                Ok(Response { form: Some(form), .. }) => {
                    Some(json!({ "response_action": "update", "view": render::form(&form) }))
                }
                Ok(Response { notice: Some(notice), .. }) => {
                    Some(json!({ "response_action": "update", "view": render::notice(&notice) }))
                }
                Ok(_) => None,
                Err(Failure::User(refused)) => {
                    let field = fields.first().cloned().unwrap_or_default();
                    Some(json!({ "response_action": "errors", "errors": { field: refused.to_string() } }))
                }
                Err(Failure::Form(errors)) => {
                    Some(json!({ "response_action": "errors", "errors": at_fields(&fields, errors) }))
                }
                Err(Failure::Internal(error)) => return Err(error),
            }),
            Interaction::Command { mut command, trigger, needs_place } => {
                if needs_place {
                    match self.slack.open_direct(&command.author.id).await {
                        Ok(channel) => command.channel = channel,
                        Err(error) => return Err(error.into()),
                    }
                }
                match command::run(&self.core, &command).await {
                    Ok(Response { follows: true, .. }) => Ok(None),
                    Ok(Response { form: Some(form), .. }) => {
                        let place = Some((command.channel.clone(), None));
                        let way_back = (!needs_place).then(|| command.way_back.handle.clone());
                        self.open(trigger, form, Reach { way_back, place, person: command.author.id.clone() });
                        Ok(None)
                    }
                    Ok(Response { card: Some(card), .. }) if needs_place => {
                        let place = Some((command.channel.clone(), None));
                        self.tell(Reach { way_back: None, place, person: command.author.id.clone() }, card);
                        Ok(None)
                    }
                    Ok(Response { card, notice, .. }) => Ok(card.or(notice.map(Card::text)).map(|card| whisper(&card))),
                    Err(Failure::User(refused)) => Ok(Some(whisper(&apology(&refused)))),
                    Err(Failure::Form(errors)) => Ok(Some(whisper(&Card::text(errors.to_string())))),
                    Err(Failure::Internal(error)) => Err(error),
                }
            }
        }
    }

    /// What follows a press: a form, or words for whoever pressed.
    fn after(
        &self,
        trigger: String,
        way_back: Option<String>,
        place: Option<(String, Option<String>)>,
        person: String,
        response: Result<Response, Failure>,
    ) -> Result<(), anyhow::Error> {
        let card = match response {
            Ok(Response { form: Some(form), .. }) => {
                self.open(trigger, form, Reach { way_back, place, person });
                return Ok(());
            }
            Ok(Response { card, notice, .. }) => card.or(notice.map(Card::text)),
            Err(Failure::User(refused)) => Some(apology(&refused)),
            Err(Failure::Form(errors)) => Some(Card::text(errors.to_string())),
            Err(Failure::Internal(error)) => return Err(error),
        };
        if let Some(card) = card {
            self.tell(Reach { way_back, place, person }, card);
        }
        Ok(())
    }

    /// Opens a form; the trigger is good for three seconds, so nothing is retried, but whoever waits for it is told.
    fn open(&self, trigger: String, form: Form, reach: Reach) {
        let slack = Arc::clone(&self.slack);
        tokio::spawn(async move {
            let body = json!({ "trigger_id": trigger, "view": render::form(&form) });
            if let Err(error) = slack.client.call("views.open", &body).await {
                warn!(error = %error, "A form could not be opened.");
                reach.tell(&slack, &Card::text(TOO_LATE)).await;
            }
        });
    }

    /// Says something to one person, by the way back or beside the message.
    fn tell(&self, reach: Reach, card: Card) {
        let slack = Arc::clone(&self.slack);
        tokio::spawn(async move { reach.tell(&slack, &card).await });
    }
}

/// How one person is reached alone.
struct Reach {
    way_back: Option<String>,
    /// A channel, and the thread in it.
    place: Option<(String, Option<String>)>,
    person: String,
}

impl Reach {
    async fn tell(self, slack: &Slack, card: &Card) {
        let content = super::Content::of(card);
        if let Some(address) = self.way_back {
            let body = content.with(json!({ "response_type": "ephemeral", "replace_original": false }));
            if slack.client.answer(&address, &body).await.is_ok() {
                return;
            }
        }
        let Some((channel, thread)) = self.place else { return };
        let mut body = content.with(json!({ "channel": channel, "user": self.person }));
        if let Some(thread) = thread {
            body["thread_ts"] = json!(thread);
        }
        if let Err(error) = slack.client.call("chat.postEphemeral", &body).await {
            warn!(error = %error, "A notice could not be shown.");
        }
    }
}

/// Errors at the fields of the form that was sent in. Slack takes no other: what belongs elsewhere is said at the first.
fn at_fields(fields: &[String], FormErrors(errors): FormErrors) -> BTreeMap<String, String> {
    let first = fields.first().cloned().unwrap_or_default();
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for (field, message) in errors {
        let field = if fields.contains(&field) { field } else { first.clone() };
        let said = shown.entry(field).or_default();
        if !said.is_empty() {
            said.push(' ');
        }
        said.push_str(&message);
    }
    shown
}

/// A card as the answer to a command, for whoever gave it.
fn whisper(card: &Card) -> Json {
    let content = super::Content::of(card);
    content.with(json!({ "response_type": "ephemeral" }))
}

fn apology(refused: &UserError) -> Card {
    Card::text(markup::shorten(&refused.to_string(), 2000).0)
}

/// An event that could not be stored is not acknowledged: Slack delivers it again.
pub(super) async fn patiently(work: impl Future<Output = Acknowledged>) -> Acknowledged {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(anyhow::anyhow!("the store did not take the event in time")),
    }
}

// Signed requests

/// With signed requests there is no connection to be made anew: what was missed is looked for at the start.
pub async fn look_back(core: Arc<Core>) {
    if let Err(error) = catch_up::soon(&core, NAME).await {
        error!(error = format!("{error:#}"), "The look for missed messages was not planned.");
    }
}

/// The addresses that Slack calls, for the web server.
pub fn webhooks(core: &Arc<Core>, slack: &Arc<Slack>) -> Vec<Webhook> {
    let desk = Desk { core: Arc::clone(core), slack: Arc::clone(slack) };
    let paths = [
        ("/slack/events", Call::Event),
        ("/slack/interactions", Call::Interaction),
        ("/slack/commands", Call::Command),
    ];
    paths
        .into_iter()
        .map(|(path, call)| {
            let desk = desk.clone();
            Webhook {
                path,
                max_body: MAX_BODY,
                handler: Arc::new(move |request| {
                    let desk = desk.clone();
                    Box::pin(async move { desk.request(call, &request).await })
                }),
            }
        })
        .collect()
}

#[derive(Debug, Clone, Copy)]
enum Call {
    Event,
    Interaction,
    Command,
}

impl Desk {
    async fn request(&self, call: Call, request: &WebhookRequest) -> WebhookReply {
        let Ok(body) = std::str::from_utf8(&request.body) else { return reply(400, "the body is not UTF-8") };
        if let Err(reason) = self.verify(request, body) {
            warn!(reason, "A request to Slack's address was refused.");
            return reply(401, "the signature does not fit");
        }
        let answer = match call {
            Call::Event => {
                let Ok(payload) = serde_json::from_str::<Json>(body) else { return reply(400, "the body is not JSON") };
                if payload["type"] == "url_verification" {
                    return reply(200, payload["challenge"].as_str().unwrap_or_default());
                }
                patiently(self.event(&payload)).await
            }
            Call::Interaction => {
                let fields = form_fields(body);
                let payload = fields.get("payload").and_then(|text| serde_json::from_str::<Json>(text).ok());
                let Some(payload) = payload else { return reply(400, "there is no payload") };
                patiently(self.interaction(decode::interaction(&payload))).await
            }
            Call::Command => patiently(self.interaction(decode::command(&form_fields(body)))).await,
        };
        match answer {
            Ok(None) => reply(200, ""),
            Ok(Some(answer)) => {
                WebhookReply { status: 200, content_type: "application/json; charset=utf-8", body: answer.to_string() }
            }
            Err(error) => {
                error!(error = format!("{error:#}"), "An event of Slack was not stored; Slack delivers it again.");
                reply(503, "not now")
            }
        }
    }

    /// Signature and age, as Slack's document on verifying requests asks.
    fn verify(&self, request: &WebhookRequest, body: &str) -> Result<(), &'static str> {
        let header = |name: &str| request.headers.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let signature = header(SlackEventSignatureVerifier::SLACK_SIGNED_HASH_HEADER).ok_or("it is not signed")?;
        let stamp = header(SlackEventSignatureVerifier::SLACK_SIGNED_TIMESTAMP).ok_or("it has no timestamp")?;
        let secret = self.slack.settings.signing_secret.expose_secret();
        if secret.is_empty() {
            return Err("no signing secret is set");
        }
        SlackEventSignatureVerifier::new(&secret.into())
            .verify(signature, body, stamp)
            .map_err(|_| "the signature is wrong or too old")
    }
}

fn reply(status: u16, body: &str) -> WebhookReply {
    WebhookReply { status, content_type: "text/plain; charset=utf-8", body: body.to_owned() }
}

fn form_fields(body: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_at_fields_that_slack_knows() {
        #[track_caller]
        fn check(errors: &[(&str, &str)], expected: &[(&str, &str)]) {
            let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
                pairs.iter().map(|(field, words)| ((*field).to_owned(), (*words).to_owned())).collect()
            };
            let fields = ["a".to_owned(), "b".to_owned()];
            assert_eq!(at_fields(&fields, FormErrors(map(errors))), map(expected));
        }
        check(&[("b", "Mend.")], &[("b", "Mend.")]);
        check(&[("a", "One."), ("z", "Two.")], &[("a", "One. Two.")]);
        check(&[("z", "Two.")], &[("a", "Two.")]);
    }
}
