//! Configuration: the server's keys, and the platforms as files in a repository. Every error points at a file and a line.

pub mod answers;
pub mod diagnostics;
pub mod platform;
pub mod server;

use std::{path::PathBuf, sync::Arc};

pub use answers::CuratedAnswer;
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use platform::{Capability, Channel, Hours, Platform, Source, SourceKind};
pub use server::Server;

use crate::domain::people::Person;

/// Everything the files say, validated.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub platforms: Vec<Arc<Platform>>,
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
        if findings.has_errors() {
            return Err(findings);
        }
        Ok((Self { server, platforms: platforms.into_iter().map(Arc::new).collect() }, findings))
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

    /// The person behind an identity: their teams and roles on every platform, or a stranger.
    pub fn person(&self, chat: &str, external_id: &str, name: &str) -> Person {
        let mut person = Person::stranger(format!("{chat}:{external_id}"), name);
        for platform in &self.platforms {
            for member in &platform.people {
                if member.identity_in(chat) == Some(external_id) {
                    person.id.clone_from(&member.id);
                    person.name.clone_from(&member.name);
                    person.teams.extend(member.teams.iter().cloned());
                    person.roles.extend(member.roles.iter().map(|role| (platform.id.clone(), *role)));
                }
            }
        }
        person
    }
}
