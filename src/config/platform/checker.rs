//! Checks `platform.yaml`: every reference in it must point at something.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_saphyr::Spanned;
use url::Url;

use super::{
    super::{
        Diagnostics, Routes,
        catalog::{self, Owned},
        hours,
        identifiers::{Kind, is_address},
    },
    Capability, Channel, Member, Platform, Source, SourceKind, Team, TrackerTarget, digest,
    file::{
        AudienceFile, GitFile, GithubFile, Ids, JiraFile, MemberFile, PlatformFile, SiteFile, SourceFile, TrackerFile,
    },
    model,
};
use crate::domain::audience::Audience;

/// Letters, digits and what GitHub allows in names besides them.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// One `platform.yaml` that is being checked.
pub(super) struct Checker<'a> {
    pub(super) file: &'a Path,
    /// The folder it lies in.
    pub(super) folder: &'a Path,
    pub(super) findings: &'a mut Diagnostics,
    /// Teams that audiences name, with their lines.
    pub(super) asked_for: Vec<(String, u64)>,
}

impl Checker<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(self.file, Some(at.referenced.line()), message, hint);
    }

    /// The platform, as yet without answers and routes, and what its catalog says of ownership.
    pub(super) fn platform(&mut self, id: String, file: PlatformFile) -> (Platform, Vec<Owned>) {
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
            digest,
            model,
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
        let channels: Vec<Channel> = channels
            .into_iter()
            .map(|channel| Channel {
                name: channel.name.value.trim_start_matches('#').to_owned(),
                mode: channel.mode,
                audience: self.audience(channel.audience),
                ids: self.ids(channel.ids, Kind::Channel),
                model: channel.model.unwrap_or(true),
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
        let known = digest::Known { people: &people, channels: &channels, hours: hours.as_ref() };
        let digest = digest.and_then(|file| digest::check(self.file, file, &known, self.findings));
        let model = model.map(|file| model::check(self.file, file, self.findings)).unwrap_or_default();
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
            digest,
            model,
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
