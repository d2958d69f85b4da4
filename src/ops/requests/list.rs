//! Requests of a person and of their teams, as lists.

use super::{Core, Failure, Response, desk, show};
use crate::{
    chat::{Card, Command},
    domain::people::Person,
    ops::{compose::escape, people},
    store::{self, Tx, requests::Request},
};

/// Most requests of one list.
const SHOWN: i64 = 15;

/// What `requests` answers to.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn of_command(core: &Core, command: &Command) -> Result<Response, Failure> {
    let mut tx = core.db.read().await?;
    let name = people::display_name(&mut tx, &command.chat, &command.author).await?;
    let person = people::person(core, &mut tx, &command.chat, &command.author.id, &name).await?;
    let list = of_person(core, &mut tx, &person).await?;
    Ok(Response::card(list.unwrap_or_else(|| Card::text("There is no request of yours. `request` opens one."))))
}

/// The requests of a person, and those of their teams that are not over; `None` when there are none.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn of_person(core: &Core, tx: &mut Tx, person: &Person) -> Result<Option<Card>, Failure> {
    let mut own = store::requests::of_person(tx, &person.id, None, SHOWN).await?;
    let mine: Vec<_> = own.iter().map(|request| request.id).collect();
    let mut teams = Vec::new();
    for team in &person.teams {
        for request in store::requests::of_person(tx, "", Some(team), SHOWN).await? {
            if !mine.contains(&request.id) && request.state.is_active() {
                teams.push(request);
            }
        }
    }
    own.truncate(usize::try_from(SHOWN).unwrap_or(15));
    let mut parts = Vec::new();
    if !own.is_empty() {
        parts.push(format!("**Your requests**\n\n{}", lines(core, tx, &own).await?));
    }
    if !teams.is_empty() {
        parts.push(format!("**Your teams'**\n\n{}", lines(core, tx, &teams).await?));
    }
    Ok(Some(parts.join("\n\n")).filter(|text| !text.is_empty()).map(Card::text))
}

async fn lines(core: &Core, tx: &mut Tx, requests: &[Request]) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for request in requests {
        let platform = desk::platform(core, &request.platform)?;
        let worker = match &request.assignee {
            Some(worker) => Some(people::name_of(core, tx, worker).await?),
            None => None,
        };
        lines.push(format!(
            "- {}: {}, with {}",
            show::headline(request),
            show::state_words(request.state, worker.as_deref()),
            escape(desk::route_name(&platform, &request.route)),
        ));
    }
    Ok(lines.join("\n"))
}

/// What `duty` answers to: who is on duty, and until when, for each platform that is meant.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn duty(core: &Core, command: &Command) -> Result<Response, Failure> {
    let here = core.config.channel(&command.chat, &command.channel);
    let now = core.clock.now();
    let mut parts = Vec::new();
    for platform in &core.config.platforms {
        if here.is_some_and(|(own, _)| own.id != platform.id) || platform.rotas.is_empty() {
            continue;
        }
        let mut lines = Vec::new();
        for rota in &platform.rotas {
            let duty = core.duty.now(platform, rota, now).await;
            let mut names = Vec::new();
            for person in &duty.people {
                let mut tx = core.db.read().await?;
                names.push(escape(&people::name_of(core, &mut tx, person).await?));
            }
            let who = if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") };
            let until = duty.until.map(|until| format!(", until {}", show::moment(platform, until)));
            lines.push(format!("- {}: **{who}**{}", escape(&rota.id), until.unwrap_or_default()));
        }
        parts.push(format!("**{}**\n\n{}", escape(&platform.name), lines.join("\n")));
    }
    if parts.is_empty() {
        parts.push("No rota is kept here.".to_owned());
    }
    Ok(Response::card(Card::text(parts.join("\n\n"))))
}
