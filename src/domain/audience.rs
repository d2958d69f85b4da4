//! Who may read a source and who is in a channel.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::people::{Person, Role};

/// A set of people, named by team or role. A person is in it when any of their teams or roles is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    #[default]
    Everyone,
    Only {
        teams: BTreeSet<String>,
        roles: BTreeSet<Role>,
    },
}

impl Audience {
    /// May this person read it?
    pub fn admits(&self, platform: &str, person: &Person) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only { teams, roles } => {
                person.teams.iter().any(|team| teams.contains(team))
                    || person.roles_on(platform).iter().any(|role| roles.contains(role))
            }
        }
    }

    /// May everyone of `room` read it? Conservative: true only when each group in the room is admitted by name.
    pub fn admits_all(&self, room: &Self) -> bool {
        match (self, room) {
            (Self::Everyone, _) => true,
            (Self::Only { .. }, Self::Everyone) => false,
            (Self::Only { teams, roles }, Self::Only { teams: room_teams, roles: room_roles }) => {
                room_teams.is_subset(teams) && room_roles.is_subset(roles)
            }
        }
    }

    /// In plain words, for a channel header or a check.
    pub fn label(&self) -> String {
        match self {
            Self::Everyone => "everyone".to_owned(),
            Self::Only { teams, roles } => {
                let mut parts: Vec<String> = teams.iter().map(|team| format!("team {team}")).collect();
                parts.extend(roles.iter().map(|role| format!("{}s", role.label().to_lowercase())));
                if parts.is_empty() { "nobody".to_owned() } else { parts.join(", ") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(teams: &[&str], roles: &[Role]) -> Audience {
        Audience::Only {
            teams: teams.iter().map(ToString::to_string).collect(),
            roles: roles.iter().copied().collect(),
        }
    }

    #[track_caller]
    fn check(source: &Audience, room: &Audience, expected: bool) {
        assert_eq!(source.admits_all(room), expected, "source {source:?}, room {room:?}");
    }

    #[test]
    fn a_channel_reads_only_what_all_of_it_may_read() {
        check(&Audience::Everyone, &Audience::Everyone, true);
        check(&Audience::Everyone, &only(&["a"], &[]), true);
        check(&only(&["a"], &[]), &Audience::Everyone, false);
        check(&only(&["a", "b"], &[]), &only(&["a"], &[]), true);
        check(&only(&["a"], &[]), &only(&["a", "b"], &[]), false);
        check(&only(&[], &[Role::Support]), &only(&["a"], &[Role::Support]), false);
        check(&only(&["a"], &[Role::Support, Role::Owner]), &only(&["a"], &[Role::Support]), true);
    }

    #[test]
    fn a_person_is_admitted_by_team_or_by_role_on_that_platform() {
        let mut person = Person::stranger("p", "P");
        person.teams.insert("a".to_owned());
        person.roles.push(("trellis".to_owned(), Role::Support));
        assert!(only(&["a"], &[]).admits("other", &person));
        assert!(only(&[], &[Role::Support]).admits("trellis", &person));
        assert!(!only(&[], &[Role::Support]).admits("other", &person));
        assert!(only(&[], &[Role::Member]).admits("other", &person));
        assert!(!only(&[], &[]).admits("trellis", &person));
    }
}
