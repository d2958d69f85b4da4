//! Who may decide on gaps and themes, and what every decision has to keep to.

use std::sync::Arc;

use crate::ops::{Core, Failure, UserError};
use crate::{
    config::Platform,
    domain::{
        ids::AuditId,
        people::{Person, Role},
    },
    store::{self, Tx, audit},
};

/// The platform of a gap or a theme, when the person owns it.
pub(super) fn owned(core: &Core, person: &Person, platform: &str) -> Result<Arc<Platform>, Failure> {
    must_be(core, person, platform, &[Role::Owner], "Ask its product owner to do it.")
}

/// The platform of a gap, when the person owns it or helps its users: whoever answers people may write answers down.
pub(super) fn tended(core: &Core, person: &Person, platform: &str) -> Result<Arc<Platform>, Failure> {
    must_be(core, person, platform, &[Role::Owner, Role::Support], "Ask somebody who supports it to do it.")
}

fn must_be(core: &Core, person: &Person, id: &str, roles: &[Role], next: &str) -> Result<Arc<Platform>, Failure> {
    let gone = || UserError::new("This platform is no longer configured.", "Ask whoever runs the bot.");
    let platform = core.config.platform(id).cloned().ok_or_else(gone)?;
    let held = person.roles_on(id);
    if roles.iter().any(|role| held.contains(role)) {
        return Ok(platform);
    }
    Err(UserError::new(format!("Only those who look after {} can do that.", platform.name), next).into())
}

/// What somebody is told who changed a thing that another has changed meanwhile.
pub(super) fn changed_meanwhile() -> Failure {
    UserError::new("Somebody changed it at the same moment.", "Look at it as it is now, and try again.").into()
}

/// A sentence of a person, as it may be kept: not empty, and not longer than `most` characters.
pub(super) fn words(core: &Core, text: &str, most: usize, what: &str) -> Result<String, Failure> {
    let text = core.clean(text.trim()).text;
    if text.is_empty() {
        return Err(UserError::new(format!("{what} is missing."), "Write it, and try again.").into());
    }
    if text.chars().count() > most {
        let next = format!("Shorten it to {most} characters.");
        return Err(UserError::new(format!("{what} is too long."), next).into());
    }
    Ok(text)
}

/// Writes down who did what.
pub(super) async fn record(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    verb: &str,
    (platform, subject): (&str, uuid::Uuid),
    detail: serde_json::Value,
) -> store::Result<()> {
    let entry = audit::Entry {
        id: AuditId::new(&*core.clock),
        at: core.clock.now(),
        actor: person.id.clone(),
        verb: verb.to_owned(),
        platform: platform.to_owned(),
        subject,
        detail,
    };
    audit::record(tx, &entry).await
}
