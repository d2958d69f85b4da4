//! Backstage's software catalog (`catalog-info.yaml` files): `User` and `Group` entities give teams and their people, the
//! other kinds say who owns what.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;

use super::{Diagnostics, identifiers::is_address, platform::Member};

/// An entity, as far as it is about people and ownership (Backstage, "Descriptor Format of Catalog Entities").
#[derive(Debug, Deserialize)]
struct Entity {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    title: Option<String>,
}

/// Something with an owner: a component, an API, a resource, a system or a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// As people write it.
    pub name: String,
    /// Name of the group.
    pub owner: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    member_of: Vec<String>,
    #[serde(default)]
    members: Vec<String>,
    owner: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    display_name: Option<String>,
    email: Option<String>,
}

/// The name in a reference: `ledger` of `group:default/ledger`.
fn name_of(reference: &str) -> &str {
    reference.rsplit(['/', ':']).next().unwrap_or(reference)
}

/// Adds the people of a catalog file to `people`, and their teams to those who are there already (the same id, or the
/// same address); adds what has an owner to `owned`.
pub fn load(file: &Path, people: &mut Vec<Member>, owned: &mut Vec<Owned>, findings: &mut Diagnostics) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            findings.error(
                file,
                None,
                format!("cannot be read: {error}"),
                "the path counts from the folder of platform.yaml",
            );
            return;
        }
    };
    let entities: Vec<Entity> = match serde_saphyr::from_multiple(&text) {
        Ok(entities) => entities,
        Err(error) => {
            let line = error.location().map(|location| location.line());
            let rendered = error.without_snippet().to_string();
            let message = rendered.lines().next().unwrap_or("is not valid YAML").to_owned();
            findings.error(file, line, message, "it holds entities of Backstage's catalog, one YAML document each");
            return;
        }
    };
    let things = owned_in(&entities);
    let says_nothing = things.is_empty();
    owned.extend(things);
    let mut teams: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for entity in &entities {
        match entity.kind.as_str() {
            "User" => {
                let own = teams.entry(&entity.metadata.name).or_default();
                own.extend(entity.spec.member_of.iter().map(|team| name_of(team).to_owned()));
            }
            "Group" => {
                for member in &entity.spec.members {
                    teams.entry(name_of(member)).or_default().insert(entity.metadata.name.clone());
                }
            }
            _ => {}
        }
    }
    if teams.is_empty() && says_nothing {
        let message = "names no User, no Group with members and nothing with an owner";
        findings.warning(file, None, message, "remove it from catalog");
    }
    for (name, teams) in teams {
        let profile = entities
            .iter()
            .find(|entity| entity.kind == "User" && entity.metadata.name == name)
            .map(|entity| &entity.spec.profile);
        let email = profile.and_then(|profile| profile.email.clone());
        if let Some(email) = email.as_deref().filter(|email| !is_address(email)) {
            let message = format!("`{email}`, of {name}, is not an e-mail address");
            findings.error(file, None, message, "write it as in ada@example.org");
        }
        let same = |member: &&mut Member| {
            member.id == name
                || email.as_ref().zip(member.email.as_ref()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
        };
        if let Some(member) = people.iter_mut().find(same) {
            member.teams.extend(teams);
            member.email = member.email.take().or(email);
            continue;
        }
        let display_name = profile.and_then(|profile| profile.display_name.clone());
        people.push(Member {
            id: name.to_owned(),
            name: display_name.unwrap_or_else(|| name.to_owned()),
            teams,
            roles: BTreeSet::new(),
            identities: BTreeMap::new(),
            email,
        });
    }
}

/// Every name of what has an owner: people write the name or the title.
fn owned_in(entities: &[Entity]) -> Vec<Owned> {
    const KINDS: [&str; 5] = ["Component", "API", "Resource", "System", "Domain"];
    let mut owned = Vec::new();
    for entity in entities.iter().filter(|entity| KINDS.contains(&entity.kind.as_str())) {
        let Some(owner) = &entity.spec.owner else { continue };
        let names = std::iter::once(&entity.metadata.name).chain(&entity.metadata.title);
        for name in names.filter(|name| !name.trim().is_empty()) {
            owned.push(Owned { name: name.clone(), owner: name_of(owner).to_owned() });
        }
    }
    owned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &[&str])], owns: &[(&str, &str)], findings: usize) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut people = vec![Member {
            id: "ada".to_owned(),
            name: "Ada".to_owned(),
            teams: BTreeSet::from(["core".to_owned()]),
            roles: BTreeSet::new(),
            identities: BTreeMap::new(),
            email: Some("ada@example.org".to_owned()),
        }];
        let mut found = Diagnostics::default();
        let mut owned = Vec::new();
        load(file.path(), &mut people, &mut owned, &mut found);
        let owned: Vec<(&str, &str)> = owned.iter().map(|it| (it.name.as_str(), it.owner.as_str())).collect();
        assert_eq!(owned, owns);
        let people: Vec<(&str, Vec<&str>)> = people
            .iter()
            .map(|member| (member.id.as_str(), member.teams.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> = expected.iter().map(|(id, teams)| (*id, teams.to_vec())).collect();
        assert_eq!(people, expected);
        assert_eq!(found.findings.len(), findings, "{found}");
    }

    #[test]
    fn users_and_groups_make_teams() {
        check(
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: a.lovelace\nspec:\n  profile:\n    \
             displayName: Ada L.\n    email: ADA@example.org\n  memberOf: [group:default/ledger]\n---\nkind: Group\n\
             metadata:\n  name: payments\nspec:\n  type: team\n  children: []\n  members: [user:default/grace]\n---\n\
             kind: Component\nmetadata:\n  name: web\n  title: The shop\nspec:\n  owner: group:default/ledger\n",
            &[("ada", &["core", "ledger"]), ("grace", &["payments"])],
            &[("web", "ledger"), ("The shop", "ledger")],
            0,
        );
    }

    #[test]
    fn what_is_no_catalog_is_said() {
        check(
            "kind: User\nmetadata: { name: grace }\nspec: { memberOf: [], profile: { email: grace } }\n",
            &[("ada", &["core"]), ("grace", &[])],
            &[],
            1,
        );
        check("kind: [", &[("ada", &["core"])], &[], 1);
        check("kind: Component\n", &[("ada", &["core"])], &[], 1);
    }
}
