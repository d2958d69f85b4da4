//! Where requests go: `config/platforms/<id>/routes.yaml`. Without it there is one route, to the support channel.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::Spanned;

use super::{Diagnostics, Platform, catalog::Owned, diagnostics::parse_yaml, team_api::TeamApi};

/// Id of the route of a platform that has no `routes.yaml`.
const FRONT_DESK: &str = "front-desk";
/// A shorter name of a component would be found everywhere.
const MIN_NAME: usize = 3;

/// The routes of a platform, validated: the default and every rule lead to one of them.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// Id of the route for what nothing else decides.
    pub default: String,
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
    pub routes: Vec<Route>,
    /// Components and services that a route's people own.
    pub owned: Vec<OwnedName>,
}

/// A queue of requests and the people who work it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub id: String,
    pub name: String,
    /// What belongs here, and what does not: the classifier reads it.
    pub description: String,
    pub keywords: Vec<String>,
    /// Name of the channel of its triage cards.
    pub channel: String,
    /// Ids of capabilities that its people own.
    pub capabilities: Vec<String>,
    /// Their group in Backstage's catalog, or their team's name in a Team API.
    pub owner: Option<String>,
    /// Ids of the people who work it.
    pub members: Vec<String>,
    pub lead: Option<String>,
    pub assign: Assign,
    /// Its requests are private to the requester and the members.
    pub restricted: bool,
}

/// To whom a new request is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assign {
    /// Somebody takes it.
    #[default]
    Nobody,
    OnDuty,
    RoundRobin,
    LeastLoaded,
}

/// Every condition that is given must hold.
#[derive(Debug, Clone)]
pub struct Rule {
    pub pattern: Option<Regex>,
    /// One of them must stand in the request; empty when there is no such condition.
    pub keywords: Vec<String>,
    pub channel: Option<String>,
    pub team: Option<String>,
    pub capability: Option<String>,
    /// Id of the route.
    pub route: String,
}

/// A name in a catalog or a Team API, with the route of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedName {
    pub name: String,
    /// The owner's group, for people.
    pub owner: String,
    /// Id of the route.
    pub route: String,
}

impl Routes {
    /// One route for everything, to the people who help in `support_channel`.
    fn front_desk(support_channel: &str) -> Self {
        let route = Route {
            id: FRONT_DESK.to_owned(),
            name: "Front desk".to_owned(),
            description: "Every request.".to_owned(),
            keywords: Vec::new(),
            channel: support_channel.to_owned(),
            capabilities: Vec::new(),
            owner: None,
            members: Vec::new(),
            lead: None,
            assign: Assign::default(),
            restricted: false,
        };
        Self { default: route.id.clone(), routes: vec![route], ..Self::default() }
    }

    pub fn get(&self, id: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.id == id)
    }

    /// The route whose people own a capability.
    pub fn of_capability(&self, capability: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.capabilities.iter().any(|own| own == capability))
    }

    /// The owned name that a text mentions, when all that it mentions belong to one route. The longest is the most telling.
    pub fn owned_in(&self, text: &str) -> Option<&OwnedName> {
        let named: Vec<&OwnedName> = self.owned.iter().filter(|owned| mentions(text, &owned.name)).collect();
        let routes: BTreeSet<&str> = named.iter().map(|owned| owned.route.as_str()).collect();
        (routes.len() == 1).then(|| named.into_iter().max_by_key(|owned| owned.name.len())).flatten()
    }
}

/// Does a text hold a word or phrase, whole and in any case? `db` is not in `dbs` nor in `orders-db`, which is another name.
pub fn mentions(text: &str, phrase: &str) -> bool {
    let (text, phrase) = (text.to_lowercase(), phrase.trim().to_lowercase());
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    !phrase.is_empty()
        && text.match_indices(&phrase).any(|(at, found)| {
            let before = text[..at].chars().next_back();
            let after = text[at + found.len()..].chars().next();
            !before.is_some_and(inside) && !after.is_some_and(inside)
        })
}

// What the file holds, before it is checked.

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutesFile {
    /// For people who read the file.
    #[serde(default, rename = "platform")]
    _platform: Option<IgnoredAny>,
    #[serde(default, rename = "priorities")]
    _priorities: Option<IgnoredAny>,
    default: Option<Spanned<String>>,
    #[serde(default)]
    rules: Vec<Spanned<RuleFile>>,
    routes: Vec<RouteFile>,
    /// Team API files; their paths count from the folder of this file.
    #[serde(default)]
    team_apis: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteFile {
    id: Spanned<String>,
    name: Spanned<String>,
    description: Spanned<String>,
    #[serde(default)]
    keywords: Vec<String>,
    channel: Option<Spanned<String>>,
    #[serde(default)]
    capabilities: Vec<Spanned<String>>,
    owner: Option<String>,
    #[serde(default)]
    members: Vec<Spanned<String>>,
    lead: Option<Spanned<String>>,
    #[serde(default)]
    assign: Assign,
    #[serde(default)]
    restricted: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    when: When,
    route: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    pattern: Option<Spanned<String>>,
    #[serde(default)]
    keywords: Vec<String>,
    channel: Option<Spanned<String>>,
    team: Option<Spanned<String>>,
    capability: Option<Spanned<String>>,
}

/// What a routes file may refer to.
struct Known {
    channels: BTreeSet<String>,
    people: BTreeSet<String>,
    teams: BTreeSet<String>,
    capabilities: BTreeSet<String>,
    support_channel: String,
}

impl Known {
    fn of(platform: &Platform) -> Self {
        let teams = platform.teams.iter().map(|team| team.id.clone());
        let own = platform.people.iter().flat_map(|member| member.teams.iter().cloned());
        Self {
            channels: platform.channels.iter().map(|channel| channel.name.clone()).collect(),
            people: platform.people.iter().map(|member| member.id.clone()).collect(),
            teams: teams.chain(own).collect(),
            capabilities: platform.capabilities.iter().map(|capability| capability.id.clone()).collect(),
            support_channel: platform.support_channel.clone(),
        }
    }
}

/// Reads `routes.yaml` in a platform's folder. `owned` is what the platform's catalog says of ownership.
pub(super) fn load(folder: &Path, platform: &Platform, owned: Vec<Owned>, findings: &mut Diagnostics) -> Routes {
    let file = folder.join("routes.yaml");
    let front_desk = || Routes::front_desk(&platform.support_channel);
    if !file.exists() {
        return front_desk();
    }
    read(&file, Some(Known::of(platform)), owned, findings).unwrap_or_else(front_desk)
}

/// Reads a routes file without a platform beside it: what it refers to elsewhere is not looked up.
pub fn load_alone(file: &Path, findings: &mut Diagnostics) -> Option<Routes> {
    read(file, None, Vec::new(), findings)
}

fn read(file: &Path, known: Option<Known>, owned: Vec<Owned>, findings: &mut Diagnostics) -> Option<Routes> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            findings.error(file, None, format!("cannot be read: {error}"), "it must be a UTF-8 text file");
            return None;
        }
    };
    let parsed: RoutesFile = parse_yaml(file, &text, 1, findings)?;
    Checker { file, known, findings }.routes(parsed, owned)
}

struct Checker<'a> {
    file: &'a Path,
    known: Option<Known>,
    findings: &'a mut Diagnostics,
}

impl Checker<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(self.file, Some(at.referenced.line()), message, hint);
    }

    fn routes(&mut self, file: RoutesFile, mut owned: Vec<Owned>) -> Option<Routes> {
        let RoutesFile { _platform, _priorities, default, rules, routes, team_apis } = file;
        if routes.is_empty() {
            self.findings.error(self.file, None, "has no route", "add one, or remove the file");
            return None;
        }
        self.unique("route", routes.iter().map(|route| &route.id));
        self.unique("owner of the capability", routes.iter().flat_map(|route| &route.capabilities));
        let ids: BTreeSet<String> = routes.iter().map(|route| route.id.value.clone()).collect();
        if let Some(default) = &default {
            self.must_be_in("route", default, Some(&ids), "routes");
        }
        let default = default.map_or_else(|| routes[0].id.value.clone(), |default| default.value);
        let rules = rules.into_iter().filter_map(|rule| self.rule(rule, &ids)).collect();
        let mut routes: Vec<Route> = routes.into_iter().map(|route| self.route(route)).collect();
        let folder = self.file.parent().map(Path::to_owned).unwrap_or_default();
        for path in team_apis {
            let Some(api) = TeamApi::load(&folder.join(path), self.findings) else { continue };
            owned.extend(api.owned());
            self.meet_in(&api, &mut routes);
        }
        let owned = names_of_routes(owned, &routes);
        self.nobody_owns_nothing(&routes, &owned);
        Some(Routes { default, rules, routes, owned })
    }

    fn route(&mut self, file: RouteFile) -> Route {
        let RouteFile {
            id,
            name,
            description,
            keywords,
            channel,
            capabilities,
            owner,
            members,
            lead,
            assign,
            restricted,
        } = file;
        if name.value.trim().is_empty() {
            self.error(&name, "the name is empty", "give the route the name people know it by");
        }
        if description.value.trim().is_empty() {
            let hint = "say in a few sentences what belongs there: the classifier reads it";
            self.error(&description, format!("the route {} has no description", id.value), hint);
        }
        if restricted && members.is_empty() {
            let message = format!("the route {} is restricted and has no members: nobody reads its requests", id.value);
            self.error(&id, message, "add members, or remove restricted");
        }
        if assign != Assign::Nobody && assign != Assign::OnDuty && members.is_empty() {
            let message = format!("the route {} has nobody to give its requests to", id.value);
            self.error(&id, message, "add members, or set assign to nobody or on_duty");
        }
        let (channels, people, known_capabilities) = match &self.known {
            Some(known) => (Some(known.channels.clone()), Some(known.people.clone()), Some(known.capabilities.clone())),
            None => (None, None, None),
        };
        if let Some(channel) = &channel {
            self.must_be_in("channel", channel, channels.as_ref(), "channels of platform.yaml");
        }
        for capability in &capabilities {
            self.must_be_in("capability", capability, known_capabilities.as_ref(), "capabilities of platform.yaml");
        }
        for person in members.iter().chain(&lead) {
            self.must_be_in("person", person, people.as_ref(), "people of platform.yaml");
        }
        let lead = lead.map(|lead| lead.value);
        let mut members: Vec<String> = members.into_iter().map(|member| member.value).collect();
        if let Some(lead) = &lead
            && !members.contains(lead)
        {
            members.push(lead.clone());
        }
        Route {
            id: id.value,
            name: name.value,
            description: description.value,
            keywords,
            channel: channel
                .map(|channel| channel.value)
                .or_else(|| self.known.as_ref().map(|known| known.support_channel.clone()))
                .unwrap_or_default()
                .trim_start_matches('#')
                .to_owned(),
            capabilities: capabilities.into_iter().map(|capability| capability.value).collect(),
            owner,
            members,
            lead,
            assign,
            restricted,
        }
    }

    fn rule(&mut self, rule: Spanned<RuleFile>, ids: &BTreeSet<String>) -> Option<Rule> {
        let line = rule.referenced.line();
        let RuleFile { when: When { pattern, keywords, channel, team, capability }, route } = rule.value;
        self.must_be_in("route", &route, Some(ids), "routes");
        let (channels, teams, capabilities) = match &self.known {
            Some(known) => (Some(known.channels.clone()), Some(known.teams.clone()), Some(known.capabilities.clone())),
            None => (None, None, None),
        };
        for (what, name, known, place) in [
            ("channel", &channel, channels, "channels of platform.yaml"),
            ("team", &team, teams, "teams of platform.yaml and its people"),
            ("capability", &capability, capabilities, "capabilities of platform.yaml"),
        ] {
            if let Some(name) = name {
                self.must_be_in(what, name, known.as_ref(), place);
            }
        }
        if pattern.is_none() && keywords.is_empty() && channel.is_none() && team.is_none() && capability.is_none() {
            let hint = "add pattern, keywords, channel, team or capability, or make its route the default";
            self.findings.error(self.file, Some(line), "the rule has no condition: it takes every request", hint);
            return None;
        }
        let pattern = match pattern {
            Some(pattern) => Some(self.pattern(&pattern)?),
            None => None,
        };
        Some(Rule {
            pattern,
            keywords,
            channel: channel.map(|channel| channel.value.trim_start_matches('#').to_owned()),
            team: team.map(|team| team.value),
            capability: capability.map(|capability| capability.value),
            route: route.value,
        })
    }

    fn pattern(&mut self, pattern: &Spanned<String>) -> Option<Regex> {
        match RegexBuilder::new(&pattern.value).size_limit(1 << 20).build() {
            Ok(regex) if regex.is_match("") => {
                self.error(pattern, "the pattern matches everything", "make it match at least one word");
                None
            }
            Ok(regex) => Some(regex),
            Err(error) => {
                let text = error.to_string();
                let message = text.lines().last().unwrap_or("is not a pattern").trim().to_owned();
                self.error(pattern, message, "it is a regular expression");
                None
            }
        }
    }

    /// A route that names no channel meets people where its team says it does, when the platform has that channel.
    fn meet_in(&self, api: &TeamApi, routes: &mut [Route]) {
        let Some(known) = &self.known else { return };
        let Some(channel) = api.channels.iter().find(|channel| known.channels.contains(*channel)) else { return };
        for route in routes.iter_mut().filter(|route| is_owner(route, &api.team)) {
            if route.channel == known.support_channel {
                route.channel.clone_from(channel);
            }
        }
    }

    fn nobody_owns_nothing(&mut self, routes: &[Route], owned: &[OwnedName]) {
        for route in routes.iter().filter(|_| self.known.is_some()) {
            if let Some(owner) = &route.owner
                && !owned.iter().any(|it| it.route == route.id)
            {
                let message = format!("no catalog file and no Team API says what {owner} of {} owns", route.id);
                let hint = "list the file under catalog in platform.yaml or under team_apis, or remove owner";
                self.findings.warning(self.file, None, message, hint);
            }
        }
    }

    /// `None` as `known` means that nobody can tell.
    fn must_be_in(&mut self, what: &str, name: &Spanned<String>, known: Option<&BTreeSet<String>>, place: &str) {
        let Some(known) = known else { return };
        if !known.contains(name.value.trim_start_matches('#')) {
            let names = known.iter().cloned().collect::<Vec<_>>().join(", ");
            self.error(name, format!("the {what} {} is not in {place}", name.value), format!("there are: {names}"));
        }
    }

    fn unique<'b>(&mut self, what: &str, ids: impl Iterator<Item = &'b Spanned<String>>) {
        let mut seen = BTreeSet::new();
        for id in ids {
            if !seen.insert(&id.value) {
                self.error(id, format!("the {what} {} is there twice", id.value), "name it once");
            }
            if id.value.is_empty() || id.value.contains(['/', ' ', '?', '#']) {
                self.error(id, format!("`{}` cannot be an id", id.value), "use letters, digits, - and _");
            }
        }
    }
}

fn is_owner(route: &Route, team: &str) -> bool {
    route.owner.as_ref().is_some_and(|owner| owner.eq_ignore_ascii_case(team))
}

/// Names with the route of their owner; one that has several routes is nobody's.
fn names_of_routes(owned: Vec<Owned>, routes: &[Route]) -> Vec<OwnedName> {
    let mut names: BTreeMap<String, Vec<OwnedName>> = BTreeMap::new();
    for Owned { name, owner } in owned.into_iter().filter(|owned| owned.name.trim().len() >= MIN_NAME) {
        if let Some(route) = routes.iter().find(|route| is_owner(route, &owner)) {
            let same = names.entry(name.trim().to_lowercase()).or_default();
            if same.iter().all(|other| other.route != route.id) {
                same.push(OwnedName { name: name.trim().to_owned(), owner, route: route.id.clone() });
            }
        }
    }
    names.into_values().filter(|same| same.len() == 1).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        #[track_caller]
        fn check(text: &str, phrase: &str, expected: bool) {
            assert_eq!(mentions(text, phrase), expected, "{phrase} in {text}");
        }
        check("Is Checkout-DB down?", "checkout-db", true);
        check("the orders-db is slow", "db", false);
        check("dbs", "db", false);
        check("no space left on db.", "db", true);
        check("the merge queue hangs", "merge queue", true);
        check("checkout-db-replica", "checkout-db", false);
        check("anything", "", false);
    }

    #[test]
    fn what_two_routes_own_says_nothing() {
        let owned = |name: &str, owner: &str| Owned { name: name.to_owned(), owner: owner.to_owned() };
        let mut routes = Routes::front_desk("help").routes;
        let store = Route { id: "stores".to_owned(), owner: Some("Data-Stores".to_owned()), ..routes[0].clone() };
        let edge = Route { id: "edge".to_owned(), owner: Some("edge".to_owned()), ..routes[0].clone() };
        routes.extend([store, edge]);
        let owned = [
            owned("checkout-db", "data-stores"),
            owned("gateway", "edge"),
            owned("shared", "edge"),
            owned("shared", "data-stores"),
            owned("unowned", "nobody"),
            owned("db", "data-stores"),
        ];
        let routes = Routes { owned: names_of_routes(owned.to_vec(), &routes), routes, ..Routes::default() };
        let found = |text: &str| routes.owned_in(text).map(|owned| owned.route.as_str());
        assert_eq!(found("checkout-db is slow"), Some("stores"));
        assert_eq!(found("shared, unowned and db"), None);
        assert_eq!(found("the gateway cannot reach checkout-db"), None);
    }
}
