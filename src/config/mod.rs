//! Configuration: the server's keys, and the platforms as files in a repository. Every error points at a file and a line.

pub mod answers;
pub mod catalog;
mod chats;
pub mod diagnostics;
pub mod document;
mod elsewhere;
pub mod hours;
pub mod identifiers;
mod keys;
pub mod model;
mod oidc;
pub mod platform;
pub mod promises;
pub mod rota;
pub mod routes;
pub mod secrets;
pub mod server;
pub mod services;
pub mod surveys;
pub mod team_api;

use std::{path::PathBuf, sync::Arc};

pub use answers::CuratedAnswer;
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use platform::{Capability, Channel, DigestPlan, Hours, Platform, Source, SourceKind, TrackerTarget};
pub use rota::{Rota, RotaKeeper};
pub use routes::{Assign, Route, Routes, Rule};
pub use server::Server;
pub use surveys::{Question as SurveyQuestion, QuestionKind as SurveyQuestionKind, Sample as SurveySample, Survey};

use crate::domain::people::Person;

/// Everything the files say, validated.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub platforms: Vec<Arc<Platform>>,
    /// What should be looked at, though it works as it is.
    pub findings: Diagnostics,
}

impl Config {
    /// Reads the server's configuration and every platform, and reports everything that is wrong at once.
    ///
    /// # Errors
    /// All findings, when at least one of them is an error.
    pub fn load(file: Option<PathBuf>) -> Result<(Self, Diagnostics), Diagnostics> {
        let mut findings = Diagnostics::default();
        let server = Server::load(file, &mut findings);
        let Some(server) = server else { return Err(findings) };
        let platforms = platform::load_all(&server.platforms.folder, &mut findings);
        trackers_can_be_used(&server, &platforms, &mut findings);
        if findings.has_errors() {
            return Err(findings);
        }
        people_can_be_reached(&server, &platforms, &mut findings);
        rotas_can_be_asked(&server, &platforms, &mut findings);
        let platforms = platforms.into_iter().map(Arc::new).collect();
        Ok((Self { server, platforms, findings: findings.clone() }, findings))
    }

    pub fn platform(&self, id: &str) -> Option<&Arc<Platform>> {
        self.platforms.iter().find(|platform| platform.id == id)
    }

    /// The platform a channel belongs to, and what the files say of the channel.
    pub fn channel(&self, chat: &str, channel: &str) -> Option<(&Arc<Platform>, &Channel)> {
        self.platforms.iter().find_map(|platform| {
            platform.channels.iter().find(|entry| entry.id_in(chat) == Some(channel)).map(|entry| (platform, entry))
        })
    }

    /// Id of the person whom the files give this identity.
    pub fn member_of(&self, chat: &str, external_id: &str) -> Option<&str> {
        self.members().find(|member| member.identity_in(chat) == Some(external_id)).map(|member| member.id.as_str())
    }

    /// Id of the person whose address the files say this is.
    pub fn member_with_email(&self, email: &str) -> Option<&str> {
        self.members()
            .find(|member| member.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email)))
            .map(|member| member.id.as_str())
    }

    fn members(&self) -> impl Iterator<Item = &platform::Member> {
        self.platforms.iter().flat_map(|platform| &platform.people)
    }

    /// Somebody the files name, with their teams and roles on every platform.
    pub fn member(&self, id: &str) -> Option<Person> {
        let name = &self.members().find(|member| member.id == id)?.name;
        let mut person = Person::stranger(id, name);
        self.add_rights(&mut person, |member| member.id == id);
        Some(person)
    }

    /// The identity that a person has in a chat system: as the files say, or the one they are known by.
    pub fn identity_of(&self, person: &str, chat: &str) -> Option<String> {
        let own = self.members().filter(|member| member.id == person).find_map(|member| member.identity_in(chat));
        own.map(str::to_owned).or_else(|| {
            person.split_once(':').filter(|(system, _)| *system == chat).map(|(_, identity)| identity.to_owned())
        })
    }

    /// Teams that belong to groups of a chat system.
    pub fn teams_of_groups<'a>(&'a self, chat: &'a str, groups: &'a [String]) -> impl Iterator<Item = String> + 'a {
        self.platforms
            .iter()
            .flat_map(|platform| &platform.teams)
            .filter(move |team| team.groups.get(chat).is_some_and(|group| groups.contains(group)))
            .map(|team| team.id.clone())
    }

    /// Groups of a chat system that the files name.
    pub fn groups_of(&self, chat: &str) -> std::collections::BTreeSet<String> {
        let teams = self.platforms.iter().flat_map(|platform| &platform.teams);
        teams.filter_map(|team| team.groups.get(chat).cloned()).collect()
    }

    /// Channels of a chat system that the files name, as pairs of id and name.
    pub fn channels_of(&self, chat: &str) -> Vec<(String, String)> {
        let channels = self.platforms.iter().flat_map(|platform| &platform.channels);
        channels.filter_map(|channel| Some((channel.id_in(chat)?.to_owned(), channel.name.clone()))).collect()
    }

    fn add_rights(&self, person: &mut Person, is: impl Fn(&platform::Member) -> bool) {
        for platform in &self.platforms {
            for member in platform.people.iter().filter(|member| is(member)) {
                person.id.clone_from(&member.id);
                person.name.clone_from(&member.name);
                person.teams.extend(member.teams.iter().cloned());
                person.roles.extend(member.roles.iter().map(|role| (platform.id.clone(), *role)));
            }
        }
    }

    /// The person behind an identity: their teams and roles on every platform, or a stranger.
    pub fn person(&self, chat: &str, external_id: &str, name: &str) -> Person {
        let mut person = Person::stranger(format!("{chat}:{external_id}"), name);
        self.add_rights(&mut person, |member| member.identity_in(chat) == Some(external_id));
        person
    }
}

/// Whatever a platform is tracked with needs a token.
fn trackers_can_be_used(server: &Server, platforms: &[Platform], findings: &mut Diagnostics) {
    for platform in platforms {
        let (on, key) = match &platform.tracker {
            None => continue,
            Some(TrackerTarget::Github { .. }) => (server.github.is_on(), "github.token"),
            Some(TrackerTarget::Jira { .. }) => (server.jira.is_on(), "jira.token"),
        };
        if !on {
            findings.error(
                &server.platforms.folder.join(&platform.id).join("platform.yaml"),
                None,
                format!("its tracker needs {key}, which is empty"),
                format!("set STATIONMASTER_{}, or leave tracker out", key.replace('.', "_").to_uppercase()),
            );
        }
    }
}

/// Rotas that a service keeps need its key.
fn rotas_can_be_asked(server: &Server, platforms: &[Platform], findings: &mut Diagnostics) {
    for platform in platforms {
        let file = server.platforms.folder.join(&platform.id).join("rota.yaml");
        for rota in &platform.rotas {
            let (on, variable) = match rota.keeper {
                RotaKeeper::File(_) => continue,
                RotaKeeper::PagerDuty(_) => (server.pagerduty.is_on(), "STATIONMASTER_PAGERDUTY_TOKEN"),
                RotaKeeper::Opsgenie { .. } => (server.opsgenie.is_on(), "STATIONMASTER_OPSGENIE_KEY"),
            };
            if !on {
                let service = rota.keeper.label();
                findings.warning(
                    &file,
                    None,
                    format!("the rota {} asks {service}, which has no key here: nobody is on duty in it", rota.id),
                    format!("set {variable}"),
                );
            }
        }
    }
}

/// On every chat system that is on, the channels where people help should have an id.
fn people_can_be_reached(server: &Server, platforms: &[Platform], findings: &mut Diagnostics) {
    let chats = [("slack", server.slack.is_on()), ("discord", server.discord.is_on())];
    for chat in chats.into_iter().filter(|(_, on)| *on).map(|(chat, _)| chat) {
        for platform in platforms {
            let names: std::collections::BTreeSet<&String> = platform
                .capabilities
                .iter()
                .map(|capability| &capability.channel)
                .chain(platform.routes.routes.iter().map(|route| &route.channel))
                .chain(std::iter::once(&platform.support_channel))
                .collect();
            for name in names {
                let known = platform.channels.iter().find(|channel| channel.name == *name);
                if known.is_none_or(|channel| channel.id_in(chat).is_none()) {
                    findings.warning(
                        &server.platforms.folder.join(&platform.id).join("platform.yaml"),
                        None,
                        format!(
                            "the channel {name}, where people help, has no id on {chat}: nobody there can be called"
                        ),
                        format!("add ids: {{ {chat}: … }} to the channel"),
                    );
                }
            }
        }
    }
}
