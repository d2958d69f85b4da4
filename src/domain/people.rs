//! People, the roles they hold on a platform, and the identity they have in one chat system.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What a person may do on one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Member,
    Support,
    Owner,
}

impl Role {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Viewer => "Viewer",
            Self::Member => "Developer",
            Self::Support => "Platform engineer",
            Self::Owner => "Product owner",
        }
    }

    pub const fn id(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Support => "support",
            Self::Owner => "owner",
        }
    }
}

/// Whoever a message came from, as the bot sees them at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Configured id, or the identity's own id for people no file names.
    pub id: String,
    pub name: String,
    pub teams: BTreeSet<String>,
    /// Roles per platform id.
    pub roles: Vec<(String, Role)>,
}

impl Person {
    /// Somebody in the workspace that no configuration file names.
    pub fn stranger(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), teams: BTreeSet::new(), roles: Vec::new() }
    }

    /// Roles held on `platform`. Everybody in the workspace is a member.
    pub fn roles_on(&self, platform: &str) -> BTreeSet<Role> {
        let mut roles: BTreeSet<Role> =
            self.roles.iter().filter(|(id, _)| id == platform).map(|(_, role)| *role).collect();
        roles.insert(Role::Member);
        roles
    }
}
