//! What people did to a gap or a theme, in words.

use super::visit::{Moment, Stay};
use crate::ops::review::AuditItem;

/// Something that was done.
#[derive(Debug)]
pub struct Done {
    pub at: Moment,
    pub who: String,
    pub what: String,
    pub why: Option<String>,
}

/// Entries of the audit log as sentences.
pub fn of(stay: &Stay, entries: Vec<AuditItem>) -> Vec<Done> {
    let done = |entry: AuditItem| Done {
        at: stay.moment(entry.at),
        what: words(&entry),
        why: entry.detail["why"].as_str().map(str::to_owned),
        who: entry.actor_name,
    };
    entries.into_iter().map(done).collect()
}

fn words(entry: &AuditItem) -> String {
    let text = |key: &str| match &entry.detail[key] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    match entry.verb.as_str() {
        "gap.rename" | "theme.rename" => "gave it this name".to_owned(),
        "gap.draft" => "edited the draft".to_owned(),
        "gap.answer" => "published an answer".to_owned(),
        "gap.export" => "took the draft away as a page".to_owned(),
        "gap.dismiss" => "put it aside".to_owned(),
        "gap.reopen" => "reopened it".to_owned(),
        "theme.decide" | "theme.move" => format!("moved it from {} to {}", text("from"), text("to")),
        "theme.effort" => format!("guessed the work: {} days", text("days")),
        "theme.merge" => format!("merged it into #{}", text("into")),
        "theme.absorb" => format!("merged #{} into it", text("theme")),
        "theme.split" => format!("took {} items out into #{}", text("items"), text("into")),
        "theme.begin" => format!("took it out of #{}", text("theme")),
        other => other.replace('.', " "),
    }
}
