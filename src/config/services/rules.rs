//! Who may ask for a service, who agrees, what it costs, and who does it: the part that both forms of a file share.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use url::Url;

use super::{super::document::Part, Reading};
use crate::domain::{
    people::Role,
    service::{Approval, Cost, FieldKind, FormSchema, Fulfilment, Pick, Policy, Template, WorkKind},
};

/// How long an agreement is waited for when the file does not say.
const EXPIRES: Duration = Duration::from_hours(7 * 24);

/// The rules as a file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesFile {
    pub capability: Option<Spanned<String>>,
    #[serde(default)]
    pub work: WorkKind,
    pub title: Option<Spanned<String>>,
    pub cost: Option<Spanned<BTreeMap<String, Part>>>,
    pub who: Option<WhoFile>,
    pub approval: Option<Spanned<ApprovalFile>>,
    pub fulfilment: Option<Spanned<FulfilmentFile>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhoFile {
    #[serde(default)]
    roles: BTreeSet<Role>,
    #[serde(default)]
    teams: BTreeSet<String>,
    #[serde(default)]
    channels: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalFile {
    #[serde(default)]
    people: Vec<Spanned<String>>,
    #[serde(default)]
    roles: BTreeSet<Role>,
    #[serde(default)]
    team_lead: bool,
    #[serde(default = "one")]
    count: usize,
    above_cost: Option<u64>,
    expires: Option<Spanned<String>>,
}

const fn one() -> usize {
    1
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FulfilmentFile {
    People(PeopleFile),
    Webhook(WebhookFile),
    GithubWorkflow(GithubWorkflowFile),
    Backstage(BackstageFile),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeopleFile {
    route: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookFile {
    url: Spanned<String>,
    secret_env: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GithubWorkflowFile {
    repository: Spanned<String>,
    workflow: Spanned<String>,
    #[serde(rename = "ref", default = "main")]
    git_ref: String,
    #[serde(default)]
    inputs: BTreeMap<String, Spanned<String>>,
    key_input: Option<Spanned<String>>,
}

fn main() -> String {
    "main".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackstageFile {
    base_url: Spanned<String>,
    template_ref: Spanned<String>,
    token_env: Spanned<String>,
}

/// The rules, checked against the platform and the form.
pub(super) struct Rules {
    pub capability: Option<String>,
    pub work: WorkKind,
    pub title: Option<Template>,
    pub cost: Option<Cost>,
    pub policy: Policy,
    /// `None` when the file does not say.
    pub fulfilment: Option<Fulfilment>,
}

impl Reading<'_> {
    fn at<T>(&mut self, spanned: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.error(Some(spanned.referenced.line()), message, hint);
    }

    pub(super) fn rules(&mut self, file: RulesFile, form: &FormSchema) -> Rules {
        let RulesFile { capability, work, title, cost, who, approval, fulfilment } = file;
        if let Some(capability) = &capability {
            self.known_capability(&capability.value, Some(capability.referenced.line()));
        }
        let has_cost = cost.is_some();
        let WhoFile { roles, teams, channels } = who.unwrap_or_default();
        let policy = Policy {
            roles,
            teams,
            channels: self.channels(&channels),
            approval: approval.map(|approval| self.approval(approval, has_cost)),
        };
        Rules {
            capability: capability.map(|capability| capability.value),
            work,
            title: title.and_then(|title| self.template(&title, form)),
            cost: cost.and_then(|cost| self.cost(&cost, form)),
            policy,
            fulfilment: fulfilment.and_then(|fulfilment| self.fulfilment(fulfilment, form)),
        }
    }

    pub(super) fn known_capability(&mut self, id: &str, line: Option<u64>) {
        let ids: Vec<&str> = self.platform.capabilities.iter().map(|capability| capability.id.as_str()).collect();
        if !ids.contains(&id) {
            let hint = format!("there are: {}", ids.join(", "));
            self.error(line, format!("{id} is not a capability of the platform"), hint);
        }
    }

    fn channels(&mut self, channels: &[Spanned<String>]) -> BTreeSet<String> {
        let platform = self.platform;
        let mut names = BTreeSet::new();
        for channel in channels {
            let name = channel.value.trim_start_matches('#');
            if !platform.channels.iter().any(|known| known.name == name) {
                self.at(
                    channel,
                    format!("the channel {name} is not in channels"),
                    "add it to platform.yaml, or mend its name",
                );
            }
            names.insert(name.to_owned());
        }
        names
    }

    fn approval(&mut self, file: Spanned<ApprovalFile>, has_cost: bool) -> Approval {
        let line = Some(file.referenced.line());
        let ApprovalFile { people, roles, team_lead, count, above_cost, expires } = file.value;
        let platform = self.platform;
        for person in &people {
            if !platform.people.iter().any(|member| member.id == person.value) {
                let message = format!("{} is not in people", person.value);
                self.at(person, message, "name somebody of platform.yaml");
            }
        }
        if people.is_empty() && roles.is_empty() && !team_lead {
            self.error(line, "nobody may agree", "name people or roles, or write team_lead: true");
        }
        let only_leads = team_lead && people.is_empty() && roles.is_empty();
        if only_leads && platform.teams.iter().all(|team| team.lead.is_none()) {
            let hint = "add `lead` to teams of platform.yaml, or name people or roles besides team_lead";
            self.findings.warning(self.file, line, "only leads may agree, and no team has one", hint);
        }
        if count == 0 {
            self.error(line, "no agreement is asked for", "leave approval out, or write count: 1");
        }
        if roles.is_empty() && !team_lead && count > people.len() && !people.is_empty() {
            let message = format!("{count} people must agree, but only {} are named", people.len());
            self.error(line, message, "name more people, or a role");
        }
        if above_cost.is_some() && !has_cost {
            self.error(line, "above_cost has nothing to compare with", "add cost, or leave above_cost out");
        }
        let expires = expires.and_then(|text| {
            let duration = duration(&text.value);
            if duration.is_none() {
                self.at(&text, format!("`{}` is not a time", text.value), "write 3d, 12h or 90m");
            }
            duration
        });
        Approval {
            people: people.into_iter().map(|person| person.value).collect(),
            roles,
            team_lead,
            count,
            above_cost,
            expires: expires.unwrap_or(EXPIRES),
        }
    }

    /// Amounts must stand beside options that there are.
    fn cost(&mut self, file: &Spanned<BTreeMap<String, Part>>, form: &FormSchema) -> Option<Cost> {
        let mut amounts = BTreeMap::new();
        let mut currency = None;
        for (field, part) in &file.value {
            if field == "currency" {
                currency = part.value().as_str().map(str::to_owned);
                continue;
            }
            let offered = offered(form, field);
            if offered.is_empty() {
                let message = format!("{field} is not a field to choose in");
                self.at(file, message, "a cost hangs on a choice, a many or a flag");
                continue;
            }
            let Part::Entries(entries) = part else {
                self.at(file, format!("the cost of {field} is not a list of amounts"), "write {small: 20, large: 400}");
                continue;
            };
            let mut own = BTreeMap::new();
            for (option, amount) in entries {
                if !offered.contains(&option.value) {
                    let hint = format!("there are: {}", offered.iter().cloned().collect::<Vec<_>>().join(", "));
                    self.at(option, format!("{} is not an option of {field}", option.value), hint);
                }
                match amount.value().as_u64() {
                    Some(amount) => drop(own.insert(option.value.clone(), amount)),
                    None => self.at(option, "an amount is a whole number", "give the cost of a month in whole units"),
                }
            }
            amounts.insert(field.clone(), own);
        }
        let Some(currency) = currency else {
            self.at(file, "the cost has no currency", "add currency: EUR");
            return None;
        };
        Some(Cost { currency, amounts })
    }

    fn fulfilment(&mut self, file: Spanned<FulfilmentFile>, form: &FormSchema) -> Option<Fulfilment> {
        match file.value {
            FulfilmentFile::People(PeopleFile { route }) => Some(Fulfilment::People { route }),
            FulfilmentFile::Webhook(WebhookFile { url, secret_env }) => {
                let fine = [self.address(&url), self.variable(&secret_env)];
                (!fine.contains(&false)).then_some(Fulfilment::Webhook { url: url.value, secret_env: secret_env.value })
            }
            FulfilmentFile::GithubWorkflow(file) => self.workflow(file, form),
            FulfilmentFile::Backstage(BackstageFile { base_url, template_ref, token_env }) => {
                let fine = [self.address(&base_url), self.variable(&token_env)];
                (!fine.contains(&false)).then_some(Fulfilment::Backstage {
                    base_url: base_url.value,
                    template_ref: template_ref.value,
                    token_env: token_env.value,
                })
            }
        }
    }

    fn workflow(&mut self, file: GithubWorkflowFile, form: &FormSchema) -> Option<Fulfilment> {
        let GithubWorkflowFile { repository, workflow, git_ref, inputs, key_input } = file;
        let parts: Vec<&str> = repository.value.split('/').collect();
        if parts.len() != 2 || parts.iter().any(|part| part.is_empty()) {
            self.at(&repository, "not a repository", "write owner/name");
            return None;
        }
        if workflow.value.contains('/') || workflow.value.is_empty() {
            let hint = "write provision.yaml, without .github/workflows";
            self.at(&workflow, "not the name of a workflow's file", hint);
            return None;
        }
        if let Some(key) = &key_input
            && (key.value.trim().is_empty() || inputs.contains_key(&key.value))
        {
            let hint = "name an input of the workflow's own, which its run-name shows";
            self.at(key, "the key needs an input for itself", hint);
            return None;
        }
        let inputs: Vec<_> = inputs.into_iter().map(|(name, text)| Some((name, self.template(&text, form)?))).collect();
        Some(Fulfilment::GithubWorkflow {
            repository: repository.value,
            workflow: workflow.value,
            git_ref,
            inputs: inputs.into_iter().collect::<Option<_>>()?,
            key_input: key_input.map(|key| key.value),
        })
    }

    /// Every name in it must be a field of the form.
    fn template(&mut self, text: &Spanned<String>, form: &FormSchema) -> Option<Template> {
        let template = match Template::parse(&text.value) {
            Ok(template) => template,
            Err(problem) => {
                let hint = "write ${{ parameters.name }}, ${{ user }} or ${{ team }}";
                self.at(text, problem.to_string(), hint);
                return None;
            }
        };
        let unknown: Vec<&str> =
            template.parameters().filter(|name| !form.fields().any(|field| field.id == *name)).collect();
        if unknown.is_empty() {
            return Some(template);
        }
        let message = format!("the form has no field {}", unknown.join(", "));
        self.at(text, message, "mend the name after `parameters.`");
        None
    }

    fn address(&mut self, text: &Spanned<String>) -> bool {
        let fine = Url::parse(&text.value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !fine {
            self.at(text, format!("`{}` is not a web address", text.value), "begin it with https://");
        }
        fine
    }

    fn variable(&mut self, name: &Spanned<String>) -> bool {
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let fine = !name.value.is_empty() && name.value.chars().all(allowed);
        if !fine {
            let hint = "the secret itself never stands in a file: name a variable such as CATALOGUE_SECRET";
            self.at(name, "not the name of an environment variable", hint);
        }
        fine
    }
}

/// What there is to choose in a field, as a cost names it.
fn offered(form: &FormSchema, id: &str) -> BTreeSet<String> {
    let fields = form.fields().filter(|field| field.id == id);
    fields
        .flat_map(|field| match &field.kind {
            FieldKind::Choice { options } | FieldKind::Many { options, .. } => options.iter().map(Pick::id).collect(),
            FieldKind::Flag => vec![Value::from(true).to_string(), Value::from(false).to_string()],
            _ => Vec::new(),
        })
        .collect()
}

/// A time as in `3d`, `12h` or `1d 12h`; days have 24 hours.
fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        #[track_caller]
        fn check(text: &str, hours: Option<u64>) {
            assert_eq!(duration(text).map(|duration| duration.as_secs() / 3600), hours, "{text}");
        }
        check("3d", Some(72));
        check("12h", Some(12));
        check("1d 12h", Some(36));
        check("0d", None);
        check("-3d", None);
        check("soon", None);
    }
}
