//! What somebody may see and do on the review site and through the API.

use serde::{Deserialize, Serialize};

use super::people::{Person, Role};

/// What a person may do with the pages of one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Their own requests, and their team's statement.
    Own,
    /// Numbers and lists, without people's names and what was said in private.
    Numbers,
    /// Everything, and to work on requests.
    Support,
    /// Everything.
    Owner,
}

impl Rights {
    /// The most that any of the person's roles on the platform gives. `None` for somebody who has nothing to do with it: no
    /// role in its files, and none of `teams`, which are the teams that its files name.
    pub fn of<'a>(person: &Person, platform: &str, mut teams: impl Iterator<Item = &'a str>) -> Option<Self> {
        let roles = person.roles.iter().filter(|(id, _)| id == platform).map(|(_, role)| *role);
        let best = roles
            .map(|role| match role {
                Role::Owner => Self::Owner,
                Role::Support => Self::Support,
                Role::Viewer => Self::Numbers,
                Role::Member => Self::Own,
            })
            .max_by_key(|rights| *rights as u8);
        best.or_else(|| teams.any(|team| person.teams.contains(team)).then_some(Self::Own))
    }

    /// Lists, numbers and the platform's pages.
    pub const fn reads(self) -> bool {
        !matches!(self, Self::Own)
    }

    /// Names of people, and texts that were written in private.
    pub const fn sees_people(self) -> bool {
        matches!(self, Self::Support | Self::Owner)
    }

    /// Moves of requests, and drafts for gaps.
    pub const fn works(self) -> bool {
        matches!(self, Self::Support | Self::Owner)
    }

    /// Decisions: triage, publishing, tokens, jobs.
    pub const fn decides(self) -> bool {
        matches!(self, Self::Owner)
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Own => "Developer",
            Self::Numbers => "Viewer",
            Self::Support => "Platform engineer",
            Self::Owner => "Product owner",
        }
    }
}

/// What a token of the API may do of what its person may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Read,
    Write,
}

impl Scope {
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(roles: &[(&str, Role)], teams: &[&str], expected: Option<Rights>) {
        let mut person = Person::stranger("p", "P");
        person.roles = roles.iter().map(|(platform, role)| ((*platform).to_owned(), *role)).collect();
        person.teams = teams.iter().map(ToString::to_string).collect();
        assert_eq!(Rights::of(&person, "harbor", ["checkout", "search"].into_iter()), expected, "{roles:?} {teams:?}");
    }

    #[test]
    fn the_best_role_counts_and_strangers_have_nothing() {
        check(&[], &[], None);
        check(&[("loom", Role::Owner)], &["design"], None);
        check(&[], &["search"], Some(Rights::Own));
        check(&[("harbor", Role::Member)], &[], Some(Rights::Own));
        check(&[("harbor", Role::Viewer), ("harbor", Role::Member)], &[], Some(Rights::Numbers));
        check(&[("harbor", Role::Support), ("harbor", Role::Viewer)], &["search"], Some(Rights::Support));
        check(&[("harbor", Role::Member), ("harbor", Role::Owner)], &[], Some(Rights::Owner));
    }
}
