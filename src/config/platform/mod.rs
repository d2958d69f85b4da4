//! A platform as its files describe it: `config/platforms/<id>/platform.yaml` and the folders beside it.

mod checker;
mod digest;
mod file;
mod load;
mod model;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use jiff::tz::TimeZone;
use url::Url;

pub use self::{digest::DigestPlan, load::load_all, model::ModelUse};
pub use super::hours::Hours;
use super::{CuratedAnswer, Routes, promises::Promises, rota::Rota, services::Backstage, surveys::Survey};
use crate::domain::{
    audience::Audience,
    message::ChannelMode,
    people::{Person, Role},
    rota::Absence,
    service::Service,
};

/// A named internal product, validated: every reference in it points at something.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Name of its folder.
    pub id: String,
    pub name: String,
    pub summary: String,
    /// Id of the product owner in `people`.
    pub owner: String,
    /// Name of the channel where people help.
    pub support_channel: String,
    pub hours: Option<Hours>,
    pub capabilities: Vec<Capability>,
    pub channels: Vec<Channel>,
    pub people: Vec<Member>,
    /// Teams whose members a chat system knows.
    pub teams: Vec<Team>,
    pub sources: Vec<Source>,
    pub answers: Vec<CuratedAnswer>,
    /// How soon requesters are helped; `None` promises nothing.
    pub promises: Option<Promises>,
    pub rotas: Vec<Rota>,
    pub absences: Vec<Absence>,
    /// What can be asked for by a form.
    pub services: Vec<Service>,
    /// What some of those who use it are asked now and then.
    pub surveys: Vec<Survey>,
    /// Does what its templates describe, where there is one.
    pub backstage: Option<Backstage>,
    /// Questions offered to somebody who does not know what to ask.
    pub examples: Vec<String>,
    /// Where requests go.
    pub routes: Routes,
    /// Where requests are worked on besides chat; off when there is none.
    pub tracker: Option<TrackerTarget>,
    /// When its weekly digest goes out, and to whom; never without.
    pub digest: Option<DigestPlan>,
    /// How far a language model is used, where there is one.
    pub model: ModelUse,
}

impl Platform {
    pub fn owner_name(&self) -> &str {
        self.people.iter().find(|member| member.id == self.owner).map_or(&self.owner, |member| &member.name)
    }

    /// Teams that look after the platform: all of their members in the files do.
    pub fn own_teams(&self) -> BTreeSet<&str> {
        let looks_after =
            |member: &&Member| member.roles.contains(&Role::Support) || member.roles.contains(&Role::Owner);
        let used: BTreeSet<&String> =
            self.people.iter().filter(|member| !looks_after(member)).flat_map(|member| &member.teams).collect();
        self.people
            .iter()
            .filter(looks_after)
            .flat_map(|member| &member.teams)
            .filter(|team| !used.contains(*team))
            .map(String::as_str)
            .collect()
    }

    /// The team that a person speaks for: one that uses the platform goes before one that looks after it.
    pub fn team_of(&self, person: &Person) -> Option<String> {
        let own = self.own_teams();
        let uses = person.teams.iter().find(|team| !own.contains(team.as_str()));
        uses.or_else(|| person.teams.first()).cloned()
    }

    /// By whose clocks its weeks begin: those of its hours, else of its digest, else UTC.
    pub fn zone(&self) -> TimeZone {
        let of_hours = self.hours.as_ref().and_then(|hours| TimeZone::get(&hours.timezone).ok());
        let of_digest = || self.digest.as_ref().map(|digest| digest.schedule.zone.clone());
        of_hours.or_else(of_digest).unwrap_or(TimeZone::UTC)
    }

    pub fn service(&self, id: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.id == id)
    }

    pub fn source(&self, id: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == id)
    }

    /// May this person read the pages of a source? What no file names any more is read by nobody.
    pub fn may_read(&self, source: &str, person: &Person) -> bool {
        self.source(source).is_some_and(|source| source.audience.admits(&self.id, person))
    }

    /// The capability whose name or keywords the text mentions most, if any does.
    pub fn capability_for(&self, text: &str) -> Option<&Capability> {
        let words: BTreeSet<String> = text
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let lower = text.to_lowercase();
        self.capabilities
            .iter()
            .map(|capability| {
                let hits = capability
                    .keywords
                    .iter()
                    .chain(std::iter::once(&capability.name))
                    .filter(|keyword| {
                        let keyword = keyword.to_lowercase();
                        if keyword.contains(' ') { lower.contains(&keyword) } else { words.contains(&keyword) }
                    })
                    .count();
                (hits, capability)
            })
            .filter(|(hits, _)| *hits > 0)
            .max_by_key(|(hits, _)| *hits)
            .map(|(_, capability)| capability)
    }
}

/// A part of a platform that can be asked about.
#[derive(Debug, Clone)]
pub struct Capability {
    pub id: String,
    pub name: String,
    /// The team or person who looks after it, in words.
    pub owner: String,
    /// Name of the channel to ask in.
    pub channel: String,
    pub keywords: Vec<String>,
}

/// A channel of a chat system.
#[derive(Debug, Clone)]
pub struct Channel {
    pub name: String,
    pub mode: ChannelMode,
    /// Who is in it.
    pub audience: Audience,
    /// Ids per chat system. In the console a channel's id is its name.
    pub ids: BTreeMap<String, String>,
    /// May a language model be asked about what is said in it?
    pub model: bool,
}

impl Channel {
    pub fn id_in(&self, chat: &str) -> Option<&str> {
        self.ids.get(chat).map(String::as_str).or_else(|| (chat == "console").then_some(self.name.as_str()))
    }
}

/// Somebody the files name.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: String,
    pub name: String,
    pub teams: BTreeSet<String>,
    pub roles: BTreeSet<Role>,
    /// Identities per chat system. In the console a person's identity is their id.
    pub identities: BTreeMap<String, String>,
    /// Links whoever has this address, verified by a chat system, to this person.
    pub email: Option<String>,
}

impl Member {
    pub fn identity_in(&self, chat: &str) -> Option<&str> {
        self.identities.get(chat).map(String::as_str).or_else(|| (chat == "console").then_some(self.id.as_str()))
    }
}

/// A team that uses the platform, or looks after it.
#[derive(Debug, Clone)]
pub struct Team {
    pub id: String,
    /// Per chat system the group (Slack) or role (Discord) whose members are the team.
    pub groups: BTreeMap<String, String>,
    /// Id of the person who leads it.
    pub lead: Option<String>,
}

/// Where a tracker keeps a platform's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerTarget {
    /// The issues of the repository `owner/name`.
    Github {
        owner: String,
        name: String,
        labels: Vec<String>,
    },
    Jira {
        project: String,
        issue_type: String,
    },
}

/// A place documents come from.
#[derive(Debug, Clone)]
pub struct Source {
    pub id: String,
    pub kind: SourceKind,
    /// Where its pages are read; without it the bot serves them itself.
    pub base_url: Option<Url>,
    pub audience: Audience,
}

#[derive(Debug, Clone)]
pub enum SourceKind {
    Folder { path: PathBuf },
    Git { url: String, branch: Option<String>, path: PathBuf },
    Site { start: Url, prefix: Url, max_pages: usize },
}

impl SourceKind {
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::Git { .. } => "git",
            Self::Site { .. } => "site",
        }
    }
}
