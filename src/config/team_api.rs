//! What a team says of itself in a Team API (Team Topologies, github.com/TeamTopologies/Team-API-template) kept as YAML.
//!
//! The template is a list of headings, not a schema, and teams write its keys in many ways. So keys are read by the words in
//! them: `software`, `service`, `system` and `product` list what the team owns, `chat` and `channel` say where to find it.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Diagnostics, catalog::Owned, diagnostics::parse_yaml};

/// A team, as far as routing needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamApi {
    pub team: String,
    /// Channels without their `#`.
    pub channels: Vec<String>,
    /// Names of services and software.
    pub owns: Vec<String>,
}

impl TeamApi {
    /// Reads a file; a finding when it has no team's name or cannot be read.
    pub fn load(file: &Path, findings: &mut Diagnostics) -> Option<Self> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                let hint = "the path counts from the folder of routes.yaml";
                findings.error(file, None, format!("cannot be read: {error}"), hint);
                return None;
            }
        };
        let value: Value = parse_yaml(file, front_matter(&text), 1, findings)?;
        let read = Self::of(&value);
        if read.is_none() {
            findings.error(file, None, "names no team", "add `name: …` or `team: { name: … }`");
        }
        read
    }

    fn of(value: &Value) -> Option<Self> {
        let mut fields = value.as_object()?;
        for wrapper in ["teamapi", "team_api", "team-api", "team", "spec"] {
            if let Some(inner) = fields.get(wrapper).and_then(Value::as_object).filter(|inner| name(inner).is_some()) {
                fields = inner;
            }
        }
        let team = name(fields)?;
        let (mut channels, mut owns) = (Vec::new(), Vec::new());
        for fields in [Some(fields), value.as_object().filter(|outer| *outer != fields)].into_iter().flatten() {
            for (key, value) in fields {
                let key = key.to_lowercase();
                if ["chat", "channel", "slack", "discord"].iter().any(|word| key.contains(word)) {
                    channels.extend(texts(value).into_iter().map(|text| text.trim_start_matches('#').to_owned()));
                } else if ["software", "service", "system", "product", "owns"].iter().any(|word| key.contains(word))
                    && !["level", "expectation", "type"].iter().any(|word| key.contains(word))
                {
                    owns.extend(texts(value));
                }
            }
        }
        Some(Self { team, channels, owns })
    }

    pub fn owned(&self) -> impl Iterator<Item = Owned> {
        self.owns.iter().map(|name| Owned { name: name.clone(), owner: self.team.clone() })
    }
}

fn name(fields: &Map<String, Value>) -> Option<String> {
    let keys = ["team_name", "teamname", "team-name", "name", "team"];
    keys.iter().find_map(|key| fields.get(*key)).and_then(Value::as_str).map(|name| name.trim().to_owned())
}

/// The names in a text, a list of them, or a list of entries with a name.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            text.split([',', '\n']).map(|part| part.trim().to_owned()).filter(|p| !p.is_empty()).collect()
        }
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => match name(fields) {
            Some(name) => vec![name],
            None => fields.values().flat_map(texts).collect(),
        },
        _ => Vec::new(),
    }
}

/// The YAML of a Markdown page that begins with it, or the whole text.
fn front_matter(text: &str) -> &str {
    let rest = text.strip_prefix("---\n").filter(|rest| rest.contains("\n---"));
    rest.and_then(|rest| rest.split("\n---").next()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &[&str], &[&str])>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut findings = Diagnostics::default();
        let read = TeamApi::load(file.path(), &mut findings);
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let expected = expected.map(|(team, channels, owns)| TeamApi {
            team: team.to_owned(),
            channels: owned(channels),
            owns: owned(owns),
        });
        assert_eq!(read, expected, "{findings}");
        assert_eq!(findings.has_errors(), read.is_none(), "{findings}");
    }

    #[test]
    fn the_usual_shapes_are_read() {
        check(
            "name: data-stores\nchat: '#data-help, #db'\nsoftware: [checkout-db, courier]\nservice level expectations: 99 %\n",
            Some(("data-stores", &["data-help", "db"], &["checkout-db", "courier"])),
        );
        check(
            "team:\n  name: Edge\n  channels:\n    - name: '#edge'\nservices:\n  - name: gateway\n    versioning: semver\n",
            Some(("Edge", &["edge"], &["gateway"])),
        );
        check("---\nname: Trust\nservices: vault\n---\n# Trust\n\nProse: here.\n", Some(("Trust", &[], &["vault"])));
    }

    #[test]
    fn a_team_needs_a_name() {
        check("services: [a]\n", None);
        check("- a\n", None);
        check("name: [", None);
    }
}
