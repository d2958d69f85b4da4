//! The feedback inbox: what people say, and what the owner makes of it.

use askama::Template;
use axum::{Form, extract::Path, response::Response};
use serde::Deserialize;

use super::{
    lists,
    params::{Choice, plain},
    questions::Listing,
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit},
};
use crate::{
    clock::Timestamp,
    domain::feedback::{Kind, Status},
    ops::{
        UserError,
        review::{FeedbackItem, decide::Triage},
    },
};

struct Row {
    item: FeedbackItem,
    at: Moment,
    capability: String,
    path: String,
}

impl Row {
    fn of(stay: &Stay, item: FeedbackItem) -> Self {
        Self {
            at: stay.moment(item.said_at),
            capability: stay.capability(item.capability.as_deref()),
            path: stay.path(&format!("/feedback/{}", item.number)),
            item,
        }
    }

    /// Whose it is, as far as that is said.
    fn voice(&self) -> String {
        let team = self.item.team.as_deref().map(|team| format!("team {team}"));
        match (&self.item.person, team, self.item.anonymous) {
            (_, _, true) => "Anonymous".to_owned(),
            (Some(person), Some(team), _) => format!("{person}, {team}"),
            (Some(person), None, _) => person.clone(),
            (None, Some(team), _) => format!("Somebody of {team}"),
            (None, None, _) => "Somebody".to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "feedback.html", config = ".askama.toml")]
struct InboxPage {
    frame: Frame,
    listing: Listing,
    rows: Vec<Row>,
}

pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?.with_known_filters("feedback");
    let params = &stay.visit.params;
    let refused = |failure| stay.visit.refused(failure);
    let (span, page) = (params.span(&stay.zone).map_err(refused)?, params.page().map_err(refused)?);
    let mut items = stay.reader().feedback(&lists::feedback(params), span, page).await?;
    let kinds = Kind::CHOICES.into_iter().chain([Kind::Survey]).map(Kind::id);
    let mut fields = vec![
        params.choice("status", "Status", plain(Status::ALL.into_iter().map(Status::id))),
        params.choice("kind", "Kind", plain(kinds)),
        params.choice("capability", "Capability", stay.capabilities()),
        params.choice("team", "Team", stay.teams().await?),
    ];
    fields.extend(params.days());
    let listing = Listing::of(&stay, "feedback", fields, &mut items);
    let rows = items.into_iter().map(|item| Row::of(&stay, item)).collect();
    visit::show(&InboxPage { frame: stay.frame("Feedback", "feedback"), listing, rows })
}

#[derive(Template)]
#[template(path = "feedback_one.html", config = ".askama.toml")]
struct FeedbackPage {
    frame: Frame,
    row: Row,
    replied_at: Option<Moment>,
    seen: i64,
    may_decide: bool,
    statuses: Vec<Choice>,
    capabilities: Vec<Choice>,
}

pub async fn one(visit: Visit, Path((platform, number)): Path<(String, i64)>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let (item, seen) = stay.reader().one_feedback(number).await?.ok_or_else(|| stay.visit.missing())?;
    let statuses = Status::ALL.into_iter().map(|status| Choice {
        value: status.id().to_owned(),
        label: status.label().to_owned(),
        chosen: status == item.status,
    });
    let capabilities = stay.capabilities().into_iter().map(|(value, label)| Choice {
        chosen: item.capability.as_deref() == Some(&value),
        value,
        label,
    });
    let page = FeedbackPage {
        frame: stay.frame(format!("Feedback #{number}"), "feedback"),
        statuses: statuses.collect(),
        capabilities: capabilities.collect(),
        replied_at: item.replied_at.map(|at| stay.moment(at)),
        row: Row::of(&stay, item),
        seen: seen.micros(),
        may_decide: stay.rights.decides(),
    };
    visit::show(&page)
}

#[derive(Debug, Deserialize)]
pub struct Decided {
    csrf: String,
    status: String,
    #[serde(default)]
    capability: String,
    #[serde(default)]
    reply: String,
    seen: i64,
}

pub async fn triage(
    visit: Visit,
    Path((platform, number)): Path<(String, i64)>,
    Form(form): Form<Decided>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Deciding)?;
    stay.visit.must_be_own_form(&form.csrf)?;
    let unknown = || UserError::new("There is no such status.", "Choose one from the list.");
    let status = Status::from_id(&form.status).ok_or_else(|| stay.visit.refused(unknown().into()))?;
    let replied = !form.reply.trim().is_empty();
    let triage = Triage {
        status,
        capability: Some(form.capability).filter(|id| !id.is_empty()),
        reply: Some(form.reply).filter(|_| replied),
        seen: Timestamp::from_micros(form.seen),
    };
    let told = stay.reader().triage(number, triage).await.map_err(|failure| stay.visit.refused(failure))?;
    let notice = match (replied, told) {
        (true, true) => "Kept, and its author is told.",
        (true, false) => "Kept. Its author cannot be written to, so the reply is shown here only.",
        (false, _) => "Kept.",
    };
    Ok(visit::go(&stay.path(&format!("/feedback/{number}")), notice))
}
