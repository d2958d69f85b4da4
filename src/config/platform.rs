//! A platform as its files describe it: `config/platforms/<id>/platform.yaml` and the folders beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_saphyr::Spanned;
use url::Url;

pub use super::hours::Hours;
use super::{
    CuratedAnswer, Diagnostics, Routes, answers,
    catalog::{self, Owned},
    diagnostics::parse_yaml,
    hours::{self, HoursFile},
    identifiers::{Kind, is_address},
    promises::{self, Known, Promises},
    rota::{self, Rota},
    routes,
    services::{self, Backstage},
    surveys::{self, Survey},
};
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

    pub fn service(&self, id: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.id == id)
    }

    pub fn source(&self, id: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == id)
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

// What the file holds, before it is checked.

/// Ids per chat system.
type Ids = BTreeMap<String, Spanned<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlatformFile {
    name: Spanned<String>,
    summary: String,
    owner: Spanned<String>,
    support_channel: Spanned<String>,
    hours: Option<HoursFile>,
    #[serde(default)]
    capabilities: Vec<CapabilityFile>,
    channels: Vec<ChannelFile>,
    people: Vec<MemberFile>,
    #[serde(default)]
    teams: Vec<TeamFile>,
    /// Files of Backstage's catalog that name teams and people, or say who owns what.
    #[serde(default)]
    catalog: Vec<PathBuf>,
    sources: Vec<SourceFile>,
    backstage: Option<Backstage>,
    #[serde(default)]
    examples: Vec<String>,
    tracker: Option<Spanned<TrackerFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrackerFile {
    github: Option<GithubFile>,
    jira: Option<JiraFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GithubFile {
    repository: Spanned<String>,
    #[serde(default)]
    labels: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JiraFile {
    project: Spanned<String>,
    issue_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapabilityFile {
    id: Spanned<String>,
    name: String,
    owner: String,
    channel: Option<Spanned<String>>,
    #[serde(default)]
    keywords: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelFile {
    name: Spanned<String>,
    #[serde(default)]
    mode: ChannelMode,
    audience: Option<Spanned<AudienceFile>>,
    #[serde(default)]
    ids: Ids,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AudienceFile {
    #[serde(default)]
    teams: Vec<Spanned<String>>,
    #[serde(default)]
    roles: BTreeSet<Role>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFile {
    id: Spanned<String>,
    name: String,
    #[serde(default)]
    teams: BTreeSet<String>,
    #[serde(default)]
    roles: BTreeSet<Role>,
    #[serde(default)]
    identities: Ids,
    email: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamFile {
    id: Spanned<String>,
    #[serde(default)]
    groups: Ids,
    lead: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    id: Spanned<String>,
    folder: Option<Spanned<String>>,
    git: Option<GitFile>,
    site: Option<SiteFile>,
    base_url: Option<Spanned<String>>,
    audience: Option<Spanned<AudienceFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GitFile {
    url: Spanned<String>,
    branch: Option<Spanned<String>>,
    #[serde(default)]
    path: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteFile {
    start: Spanned<String>,
    prefix: Option<Spanned<String>>,
    #[serde(default = "default_max_pages")]
    max_pages: usize,
}

const fn default_max_pages() -> usize {
    2000
}

/// Reads every platform under `folder`.
pub fn load_all(folder: &Path, findings: &mut Diagnostics) -> Vec<Platform> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            findings.error(
                folder,
                None,
                format!("cannot be read: {error}"),
                "start the bot in the folder that holds config/, or set platforms.folder",
            );
            return Vec::new();
        }
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let mut platforms = Vec::new();
    let mut asked_for = Vec::new();
    for folder in folders {
        if folder.join("platform.yaml").exists() {
            let Some((platform, teams)) = load(&folder, findings) else { continue };
            asked_for.extend(teams.into_iter().map(|(team, line)| (folder.join("platform.yaml"), line, team)));
            platforms.push(platform);
        } else {
            findings.warning(&folder, None, "has no platform.yaml and is passed over", "add one or move the folder");
        }
    }
    if platforms.is_empty() && !findings.has_errors() {
        findings.error(folder, None, "holds no platform", "copy config/platforms/trellis and change it");
    }
    channels_belong_to_one_platform(folder, &platforms, findings);
    accounts_belong_to_one_person(folder, &platforms, findings);
    somebody_is_in(&asked_for, &platforms, findings);
    platforms
}

/// Two platforms may name the same person, but not two people with the same account. (Within a platform, see `Checker`.)
fn accounts_belong_to_one_person(folder: &Path, platforms: &[Platform], findings: &mut Diagnostics) {
    let mut owners: BTreeMap<(&str, &str), (&str, &str)> = BTreeMap::new();
    for platform in platforms {
        for member in &platform.people {
            for (chat, id) in &member.identities {
                let (person, other_platform) = owners.entry((chat, id)).or_insert((&member.id, &platform.id));
                if *person != member.id && *other_platform != platform.id {
                    findings.error(
                        &folder.join(&platform.id).join("platform.yaml"),
                        None,
                        format!("{} is {id} at {chat}, as is {person} of {other_platform}", member.id),
                        "an account is one person's; correct one of the two, or give both the same id",
                    );
                }
            }
        }
    }
}

/// An audience of which nobody is known is probably a slip of the pen.
fn somebody_is_in(asked_for: &[(PathBuf, u64, String)], platforms: &[Platform], findings: &mut Diagnostics) {
    let members = platforms.iter().flat_map(|platform| &platform.people).flat_map(|member| &member.teams);
    let named = platforms.iter().flat_map(|platform| &platform.teams).map(|team| &team.id);
    let known: BTreeSet<&str> = members.chain(named).map(String::as_str).collect();
    for (file, line, team) in asked_for.iter().filter(|(_, _, team)| !known.contains(team.as_str())) {
        let there_are = known.iter().copied().collect::<Vec<_>>().join(", ");
        findings.warning(
            file,
            Some(*line),
            format!("nobody is in the team {team}, so nobody gets in here by it"),
            format!("add it to people or teams, or name one of those that are there: {there_are}"),
        );
    }
}

fn channels_belong_to_one_platform(folder: &Path, platforms: &[Platform], findings: &mut Diagnostics) {
    let mut owners: BTreeMap<(String, String), &str> = BTreeMap::new();
    for platform in platforms {
        for channel in &platform.channels {
            let mut ids = channel.ids.clone();
            ids.entry("console".to_owned()).or_insert_with(|| channel.name.clone());
            for (chat, id) in ids {
                if let Some(other) = owners.insert((chat.clone(), id.clone()), &platform.id) {
                    let (message, hint) = if other == platform.id {
                        (
                            format!("the {chat} channel {id} is listed twice"),
                            "take one of the two away, or correct its id",
                        )
                    } else {
                        let message = format!("the {chat} channel {id} belongs to {other} and to {}", platform.id);
                        (message, "list a channel under one platform only")
                    };
                    findings.error(&folder.join(&platform.id).join("platform.yaml"), None, message, hint);
                }
            }
        }
    }
}

/// Reads one platform, and the teams that its audiences name, with their lines.
fn load(folder: &Path, findings: &mut Diagnostics) -> Option<(Platform, Vec<(String, u64)>)> {
    let file = folder.join("platform.yaml");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            findings.error(&file, None, format!("cannot be read: {error}"), "it must be a UTF-8 text file");
            return None;
        }
    };
    let parsed: PlatformFile = parse_yaml(&file, &text, 1, findings)?;
    let id = folder.file_name()?.to_string_lossy().into_owned();
    let mut checker = Checker { file: &file, folder, findings, asked_for: Vec::new() };
    let (platform, owned) = checker.platform(id, parsed);
    let asked_for = checker.asked_for;
    let routes = routes::load(folder, &platform, owned, findings);
    let answers = answers::load(&folder.join("answers"), findings);
    for answer in &answers {
        if !platform.people.iter().any(|member| member.id == answer.owner) {
            findings.warning(
                &folder.join("answers").join(format!("{}.md", answer.id)),
                None,
                format!("its owner {} is not in people", answer.owner),
                "name somebody of platform.yaml, who is asked when it must be reviewed",
            );
        }
    }
    let ids: BTreeSet<String> = routes.routes.iter().map(|route| route.id.clone()).collect();
    let known = Known { people: &platform.people, routes: Some(&ids), hours: platform.hours.as_ref() };
    let promises = promises::load(folder, &known, findings);
    let rota::Rotas { rotas, absences } = rota::load(folder, &known, findings);
    let platform = Platform { routes, ..platform };
    let services = services::load(&folder.join("catalog"), &platform, findings);
    let surveys = surveys::load(&folder.join("surveys"), &platform.name, findings);
    Some((Platform { answers, promises, rotas, absences, services, surveys, ..platform }, asked_for))
}

/// Letters, digits and what GitHub allows in names besides them.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

struct Checker<'a> {
    file: &'a Path,
    folder: &'a Path,
    findings: &'a mut Diagnostics,
    /// Teams that audiences name, with their lines.
    asked_for: Vec<(String, u64)>,
}

impl Checker<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(self.file, Some(at.referenced.line()), message, hint);
    }

    /// The platform, as yet without answers and routes, and what its catalog says of ownership.
    fn platform(&mut self, id: String, file: PlatformFile) -> (Platform, Vec<Owned>) {
        let PlatformFile {
            name,
            summary,
            owner,
            support_channel,
            hours,
            capabilities,
            channels,
            people,
            teams,
            catalog,
            sources,
            backstage,
            examples,
            tracker,
        } = file;
        if name.value.trim().is_empty() {
            self.error(&name, "the name is empty", "give the platform the name people know it by");
        }
        if !people.iter().any(|member| member.id.value == owner.value) {
            let hint = format!("add `- id: {}` to people, or name somebody who is there", owner.value);
            self.error(&owner, format!("the owner {} is not in people", owner.value), hint);
        }
        let channel_names: BTreeSet<String> = channels.iter().map(|channel| channel.name.value.clone()).collect();
        self.known_channel(&support_channel, &channel_names);
        let hours = hours.and_then(|hours| hours::check(self.file, hours, self.findings));
        let support = support_channel.value;
        self.unique("capability", capabilities.iter().map(|capability| &capability.id));
        self.unique("channel", channels.iter().map(|channel| &channel.name));
        self.unique("person", people.iter().map(|member| &member.id));
        self.unique("source", sources.iter().map(|source| &source.id));
        self.unique("team", teams.iter().map(|team| &team.id));
        self.one_person_each(&people);
        self.asked_for = channels
            .iter()
            .map(|channel| &channel.audience)
            .chain(sources.iter().map(|source| &source.audience))
            .flatten()
            .flat_map(|audience| &audience.value.teams)
            .map(|team| (team.value.clone(), team.referenced.line()))
            .collect();
        let teams = teams
            .into_iter()
            .map(|team| {
                let lead = team.lead.map(|lead| {
                    if !people.iter().any(|member| member.id.value == lead.value) {
                        let hint = format!("add `- id: {}` to people, or name somebody who is there", lead.value);
                        self.error(&lead, format!("the lead {} is not in people", lead.value), hint);
                    }
                    lead.value
                });
                Team { id: team.id.value, groups: self.ids(team.groups, Kind::Group), lead }
            })
            .collect();
        let capabilities = capabilities
            .into_iter()
            .map(|capability| {
                if let Some(channel) = &capability.channel {
                    self.known_channel(channel, &channel_names);
                }
                Capability {
                    id: capability.id.value,
                    name: capability.name,
                    owner: capability.owner,
                    channel: capability
                        .channel
                        .map_or_else(|| support.clone(), |channel| channel.value)
                        .trim_start_matches('#')
                        .to_owned(),
                    keywords: capability.keywords,
                }
            })
            .collect();
        let channels = channels
            .into_iter()
            .map(|channel| Channel {
                name: channel.name.value.trim_start_matches('#').to_owned(),
                mode: channel.mode,
                audience: self.audience(channel.audience),
                ids: self.ids(channel.ids, Kind::Channel),
            })
            .collect();
        let mut people: Vec<Member> = people
            .into_iter()
            .map(|member| Member {
                id: member.id.value,
                name: member.name,
                teams: member.teams,
                roles: member.roles,
                identities: self.ids(member.identities, Kind::Person),
                email: member.email.map(|email| self.email(email)),
            })
            .collect();
        let mut owned = Vec::new();
        for path in catalog {
            catalog::load(&self.folder.join(path), &mut people, &mut owned, self.findings);
        }
        let mut addresses = BTreeSet::new();
        for email in people.iter().filter_map(|member| member.email.as_ref()) {
            if !addresses.insert(email.to_lowercase()) {
                self.findings.error(
                    self.file,
                    None,
                    format!("two people have the address {email}"),
                    "an address is one person's",
                );
            }
        }
        let sources = sources.into_iter().filter_map(|source| self.source(source)).collect();
        let tracker = tracker.and_then(|tracker| self.tracker(tracker));
        let platform = Platform {
            id,
            name: name.value,
            summary,
            owner: owner.value,
            support_channel: support.trim_start_matches('#').to_owned(),
            hours,
            capabilities,
            channels,
            people,
            teams,
            sources,
            answers: Vec::new(),
            promises: None,
            rotas: Vec::new(),
            absences: Vec::new(),
            services: Vec::new(),
            surveys: Vec::new(),
            backstage,
            examples,
            routes: Routes::default(),
            tracker,
        };
        (platform, owned)
    }

    fn tracker(&mut self, file: Spanned<TrackerFile>) -> Option<TrackerTarget> {
        match file.value {
            TrackerFile { github: Some(GithubFile { repository, labels }), jira: None } => {
                let Some((owner, name)) = repository.value.split_once('/').filter(|(owner, name)| {
                    [owner, name].iter().all(|part| !part.is_empty() && !part.starts_with('.') && is_plain(part))
                }) else {
                    let message = format!("`{}` is not a repository", repository.value);
                    self.error(&repository, message, "write owner/name, as in acme/platform-support");
                    return None;
                };
                Some(TrackerTarget::Github { owner: owner.to_owned(), name: name.to_owned(), labels })
            }
            TrackerFile { github: None, jira: Some(JiraFile { project, issue_type }) } => {
                let key = &project.value;
                let fine = key.starts_with(|c: char| c.is_ascii_uppercase())
                    && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                if !fine {
                    self.error(&project, format!("`{key}` is not a project's key"), "write its key, as in PLAT");
                    return None;
                }
                Some(TrackerTarget::Jira { project: project.value, issue_type })
            }
            _ => {
                let at = Spanned::new((), file.referenced, file.defined);
                self.error(&at, "a tracker is one of github and jira", "leave tracker out for none");
                None
            }
        }
    }

    fn known_channel(&mut self, channel: &Spanned<String>, known: &BTreeSet<String>) {
        if !known.contains(&channel.value) {
            let names = known.iter().cloned().collect::<Vec<_>>().join(", ");
            self.error(
                channel,
                format!("the channel {} is not in channels", channel.value),
                format!("there are: {names}"),
            );
        }
    }

    fn unique<'b>(&mut self, what: &str, ids: impl Iterator<Item = &'b Spanned<String>>) {
        let mut seen = BTreeSet::new();
        for id in ids {
            if !seen.insert(&id.value) {
                self.error(id, format!("the {what} {} is there twice", id.value), "give each its own id");
            }
            if id.value.is_empty() || id.value.contains(['/', ' ', '?', '#']) && what != "channel" {
                self.error(id, format!("`{}` cannot be an id", id.value), "use letters, digits, - and _");
            }
        }
    }

    /// Ids as they can be looked up; those that no chat system would give are findings.
    fn ids(&mut self, ids: Ids, kind: Kind) -> BTreeMap<String, String> {
        let mut kept = BTreeMap::new();
        for (chat, id) in ids {
            match kind.shape_in(&chat) {
                None => {
                    let message = format!("`{chat}` is no chat system that has {}", kind.plural());
                    self.error(&id, message, format!("write {}", kind.chats()));
                }
                Some(shape) if !shape.fits(&id.value) => {
                    let message = format!("`{}` is not the id of a {} at {}", id.value, shape.of, shape.at);
                    self.error(&id, message, shape.hint);
                }
                Some(_) => {
                    kept.insert(chat, id.value);
                }
            }
        }
        kept
    }

    fn email(&mut self, email: Spanned<String>) -> String {
        if !is_address(&email.value) {
            let message = format!("`{}` is not an e-mail address", email.value);
            self.error(&email, message, "write it as in ada@example.org");
        }
        email.value
    }

    /// An identity is one person's.
    fn one_person_each(&mut self, people: &[MemberFile]) {
        let mut owners: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for member in people {
            for (chat, id) in &member.identities {
                let other = owners.insert((chat, &id.value), &member.id.value);
                if let Some(other) = other.filter(|other| *other != member.id.value) {
                    let message = format!("{other} and {} are both {} at {chat}", member.id.value, id.value);
                    self.findings.error(
                        self.file,
                        Some(id.referenced.line()),
                        message,
                        "an account is one person's; correct one of the two",
                    );
                }
            }
        }
    }

    fn audience(&mut self, audience: Option<Spanned<AudienceFile>>) -> Audience {
        let Some(audience) = audience else { return Audience::Everyone };
        if audience.value.teams.is_empty() && audience.value.roles.is_empty() {
            self.error(&audience, "this audience is nobody", "name teams or roles, or leave audience out for everyone");
        }
        let teams = audience.value.teams.into_iter().map(|team| team.value).collect();
        Audience::Only { teams, roles: audience.value.roles }
    }

    fn source(&mut self, source: SourceFile) -> Option<Source> {
        let SourceFile { id, folder, git, site, base_url, audience } = source;
        let kind = match (folder, git, site) {
            (Some(folder), None, None) => {
                let path = self.folder.join(&folder.value);
                if !path.is_dir() {
                    let message = format!("{} is not a folder", path.display());
                    self.error(&folder, message, "the path counts from the folder of platform.yaml");
                }
                SourceKind::Folder { path }
            }
            (None, Some(git), None) => self.git(git)?,
            (None, None, Some(site)) => self.site(site)?,
            _ => {
                self.error(&id, "a source has one of folder, git and site", "split it into two sources");
                return None;
            }
        };
        let base_url = base_url.and_then(|base| self.address(&base));
        Some(Source { id: id.value, kind, base_url, audience: self.audience(audience) })
    }

    fn git(&mut self, git: GitFile) -> Option<SourceKind> {
        let GitFile { url, branch, path } = git;
        let allowed = ["https://", "http://", "ssh://", "git@", "file://"];
        if !allowed.iter().any(|scheme| url.value.starts_with(scheme)) {
            self.error(&url, "not a git address", "use https://, ssh://, git@… or file://");
            return None;
        }
        if let Some(branch) = &branch
            && (branch.value.starts_with('-') || branch.value.contains(char::is_whitespace))
        {
            self.error(branch, "not a branch name", "for example main");
            return None;
        }
        let folder = path.as_ref().map(|path| PathBuf::from(&path.value)).unwrap_or_default();
        if let Some(path) = &path
            && (folder.is_absolute() || folder.components().any(|part| part.as_os_str() == ".."))
        {
            self.error(path, "leaves the repository", "give a folder inside it, for example docs");
            return None;
        }
        Some(SourceKind::Git { url: url.value, branch: branch.map(|branch| branch.value), path: folder })
    }

    fn site(&mut self, site: SiteFile) -> Option<SourceKind> {
        let SiteFile { start, prefix, max_pages } = site;
        let first = self.address(&start)?;
        let prefix = match prefix {
            Some(prefix) => self.address(&prefix)?,
            None => first.join(".").unwrap_or_else(|_| first.clone()),
        };
        if !first.as_str().starts_with(prefix.as_str()) && !first.path().to_lowercase().ends_with(".xml") {
            self.error(&start, "start lies outside prefix", format!("begin it with {prefix}"));
        }
        Some(SourceKind::Site { start: first, prefix, max_pages })
    }

    fn address(&mut self, text: &Spanned<String>) -> Option<Url> {
        match Url::parse(&text.value) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
            _ => {
                self.error(text, format!("`{}` is not a web address", text.value), "begin it with https://");
                None
            }
        }
    }
}
