//! Services on the stage: chosen from the list of the command, filled in page by page, as each chat system shows it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use stationmaster::{
    chat::{Block, Card, Form},
    domain::ids::ActionId,
    ops::{Failure, act::Response},
};

use super::{
    FakeDiscord, FakeSlack, Stage, System,
    hands::{self, components, words_in},
    number,
};
use crate::support::discord::Interaction;

/// What is filled in before the form is sent in, once.
pub type Step<'a> = &'a [(&'a str, &'a str)];

impl Stage {
    /// Gives the command `services`, chooses a service, and sends its form in once for each step. Returns what the person
    /// reads after each: what is wrong with a field, the next page, or that it is on its way.
    pub async fn order(&self, person: &str, channel: &str, service: &str, steps: &[Step<'_>]) -> Vec<String> {
        self.world.clock.advance(Duration::from_secs(1));
        let (author, channel) = (self.id_of(person), self.channel_id(channel));
        let read = match &self.system {
            System::Console => self.order_at_console(person, &channel, service, steps).await,
            System::Slack(slack) => order_at_slack(slack, &author, &channel, service, steps).await,
            System::Discord(discord) => {
                order_at_discord(discord, number(&author), number(&channel), service, steps).await
            }
        };
        self.settle().await;
        read
    }

    async fn order_at_console(&self, person: &str, channel: &str, service: &str, steps: &[Step<'_>]) -> Vec<String> {
        let list = self.console_answer(person, channel, "services", None).await.expect("there are services");
        let action = labelled(&list.card.expect("a list"), service);
        let mut form = self.world.press_action(person, action, &[]).await.expect("it may be ordered").form;
        let (mut filled, mut read) = (BTreeMap::new(), Vec::new());
        for step in steps {
            filled.extend(step.iter().copied());
            let values: Vec<(&str, &str)> = filled.iter().map(|(field, value)| (*field, *value)).collect();
            let open = form.as_ref().expect("a form is open");
            read.push(match self.world.send(person, open, &values).await {
                Ok(Response { form: Some(next), .. }) => {
                    filled.clear();
                    let words = labels(&next);
                    form = Some(next);
                    words
                }
                Ok(Response { notice, .. }) => notice.unwrap_or_default(),
                Err(Failure::Form(errors)) => errors.0.into_values().collect::<Vec<_>>().join("\n"),
                Err(failure) => failure.to_string(),
            });
        }
        read
    }
}

fn labels(form: &Form) -> String {
    form.fields.iter().map(|field| field.label.clone()).collect::<Vec<_>>().join("\n")
}

fn labelled(card: &Card, label: &str) -> ActionId {
    let buttons = card.blocks.iter().flat_map(|block| match block {
        Block::Buttons { items } => items.as_slice(),
        _ => &[],
    });
    let found = buttons.into_iter().find(|button| button.label == label);
    found.unwrap_or_else(|| panic!("nothing is called {label}")).action
}

async fn order_at_slack(
    slack: &FakeSlack,
    user: &str,
    channel: &str,
    service: &str,
    steps: &[Step<'_>],
) -> Vec<String> {
    let ack = slack.command(user, channel, "/platform", "services").await;
    assert!(ack.acknowledged && ack.problem.is_none(), "{ack:?}");
    let list = slack.ephemerals(channel, user).pop().expect("the list is shown");
    let rows = list["blocks"].as_array().into_iter().flatten();
    let mut buttons = rows.flat_map(|row| row["elements"].as_array().into_iter().flatten());
    let chosen = buttons.find(|button| button["text"]["text"] == service).expect("the service is offered");
    let action = chosen["action_id"].as_str().expect("an action");
    let ack = slack.click(user, channel, list["ts"].as_str().expect("a time"), action).await;
    assert!(ack.acknowledged, "{ack:?}");
    hands::until_view(slack).await;
    let view = slack.views().pop().expect("a view was opened")["id"].as_str().expect("an id").to_owned();
    let (mut filled, mut read) = (BTreeMap::new(), Vec::new());
    for step in steps {
        filled.extend(step.iter().copied());
        let values: Vec<(&str, Value)> = filled.iter().map(|(field, value)| (*field, json!(value))).collect();
        let ack = slack.submit(user, &view, &values).await;
        assert!(ack.acknowledged && ack.problem.is_none(), "{ack:?}");
        let answer = ack.payload.unwrap_or_default();
        if answer["response_action"] == "update" {
            filled.clear();
        }
        read.push(words_in(&answer));
    }
    read
}

async fn order_at_discord(
    discord: &FakeDiscord,
    user: u64,
    channel: u64,
    service: &str,
    steps: &[Step<'_>],
) -> Vec<String> {
    let used = discord.command(user, channel, &["platform", "services"], &[]).await;
    let shown = used.response.expect("the command is answered in time");
    let parts = components(&shown["data"]);
    let chosen = parts.iter().find(|part| part["label"] == service).expect("the service is offered");
    let list = discord.ephemerals(user).pop().expect("the list is shown");
    let message = number(list["id"].as_str().expect("an id"));
    let mut last = discord.click(user, message, chosen["custom_id"].as_str().expect("an id")).await;
    let mut read = Vec::new();
    for step in steps {
        last = send_in(discord, user, last, step).await;
        read.push(words_in(last.response.as_ref().expect("Discord was answered")));
    }
    read
}

/// Fills in what stands open until the form was sent in once.
async fn send_in(discord: &FakeDiscord, user: u64, opened: Interaction, step: Step<'_>) -> Interaction {
    let mut left: BTreeMap<&str, &str> = step.iter().copied().collect();
    let mut last = opened;
    loop {
        let next = hands::advance(discord, user, &last, &mut left).await;
        last = next.unwrap_or_else(|| panic!("the form does not ask for {left:?}: {last:?}"));
        let modal = last.response.as_ref().is_some_and(hands::is_modal);
        if left.is_empty() && !modal {
            return last;
        }
    }
}
