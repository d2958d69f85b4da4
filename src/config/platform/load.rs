//! Reads platforms from their folders, and checks what concerns several of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    super::{
        Diagnostics, answers,
        diagnostics::parse_yaml,
        promises::{self, Known},
        rota, routes, services, surveys,
    },
    Platform,
    checker::Checker,
    file::PlatformFile,
};

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
