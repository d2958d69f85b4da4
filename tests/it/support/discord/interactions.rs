//! Interactions: how users open them and how the bot answers.

use super::*;

impl State {
    pub(super) fn registered(&self, name: &str, kind: u64) -> Option<&Value> {
        let fitting = || self.commands.iter().filter(|command| command["name"] == name && command["type"] == kind);
        fitting().find(|command| command.get("guild_id").is_some()).or_else(|| fitting().next())
    }

    /// Data of a slash command; its options take their types from the registered command, if it is registered.
    pub(super) fn command_data(&self, path: &[&str], options: &[(&str, Value)], focused: Option<&str>) -> Value {
        let command = self.registered(path[0], 1);
        let mut declared = command.cloned().unwrap_or(Value::Null);
        for name in &path[1..] {
            declared = named(&declared["options"], name).cloned().unwrap_or(Value::Null);
            assert!(command.is_none() || !declared.is_null(), "the bot registered no {path:?}");
        }
        let mut resolved = Map::new();
        let mut filled = Vec::new();
        for (name, value) in options {
            let declaration = named(&declared["options"], name);
            assert!(command.is_none() || declaration.is_some(), "the bot registered no option {name} for {path:?}");
            let kind = declaration.and_then(|option| option["type"].as_u64()).unwrap_or_else(|| guess_type(value));
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let Value::Object(found) = self.resolve(
                &[&text],
                match kind {
                    6 => 5,
                    7 => 8,
                    8 => 6,
                    9 => 7,
                    _ => 0,
                },
            ) {
                for (group, entries) in found {
                    let group = resolved.entry(group).or_insert_with(|| json!({}));
                    group.as_object_mut().expect("a group").extend(entries.as_object().cloned().unwrap_or_default());
                }
            }
            let is_focused = focused == Some(*name);
            let value = if is_focused || (6..=9).contains(&kind) { json!(text) } else { value.clone() };
            let mut option = json!({"name": name, "type": kind, "value": value});
            if is_focused {
                option["focused"] = json!(true);
            }
            filled.push(option);
        }
        for (depth, name) in path.iter().enumerate().skip(1).rev() {
            let kind = if depth + 1 == path.len() { 1 } else { 2 };
            filled = vec![json!({"name": name, "type": kind, "options": filled})];
        }
        let id = command.map_or(json!(text_id(FakeDiscord::APPLICATION)), |command| command["id"].clone());
        let mut data = json!({"id": id, "name": path[0], "type": 1, "options": filled});
        if let Some(guild) = command.and_then(|command| command.get("guild_id")) {
            data["guild_id"] = guild.clone();
        }
        if !resolved.is_empty() {
            data["resolved"] = Value::Object(resolved);
        }
        data
    }

    /// Resolved users, roles and channels for values of a select menu of this component type.
    pub(super) fn resolve(&self, values: &[&str], component_type: u64) -> Value {
        let mut resolved = json!({});
        for text in values {
            let id: u64 = text.parse().unwrap_or(0);
            if let (5 | 7, Some(user)) = (component_type, self.users.get(&id)) {
                resolved["users"][text] = user.clone();
                if let Some(member) = self.members.get(&id) {
                    resolved["members"][text] = member.clone();
                    resolved["members"][text]["permissions"] = json!(GRANTED.to_string());
                }
            }
            if let (6 | 7, Some(role)) = (component_type, self.roles.get(&id)) {
                resolved["roles"][text] = role.clone();
            }
            if let (8, Some(channel)) = (component_type, self.channels.get(&id)) {
                resolved["channels"][text] = channel.clone();
                resolved["channels"][text]["permissions"] = json!(GRANTED.to_string());
            }
        }
        resolved
    }

    pub(super) fn open_interaction(&mut self, mut live: Live, data: Value) -> u64 {
        let id = self.next_id();
        live.token = format!("aW50ZXJhY3Rpb246{id:0>150}");
        live.opened = Instant::now();
        let guild = json!(text_id(FakeDiscord::GUILD));
        let in_dm = self.is_dm(live.channel);
        let owners = if in_dm { json!({"0": "0"}) } else { json!({"0": guild}) };
        let kind = if live.kind == 4 { 2 } else { live.kind };
        for (key, value) in [
            ("id", json!(text_id(id))),
            ("type", json!(kind)),
            ("user", self.users[&live.user].clone()),
            ("authorizing_integration_owners", owners.clone()),
        ] {
            live.metadata[key] = value;
        }
        let mut channel = self.channels[&live.channel].clone();
        channel["permissions"] = json!(GRANTED.to_string());
        let mut event = json!({"id": text_id(id), "application_id": text_id(FakeDiscord::APPLICATION),
            "type": live.kind, "data": data, "channel": channel, "channel_id": text_id(live.channel),
            "token": live.token, "version": 1,
            "app_permissions": self.granted(live.channel).to_string(), "locale": "en-US", "entitlements": [],
            "authorizing_integration_owners": owners, "context": u64::from(in_dm),
            "attachment_size_limit": 10_485_760});
        if in_dm {
            event["user"] = self.users[&live.user].clone();
        } else {
            if !self.members.contains_key(&live.user) {
                self.join(live.user, &[]);
            }
            event["member"] = self.full_member(live.user).expect("a member of the guild");
            event["member"]["permissions"] = json!(GRANTED.to_string());
            event["guild_id"] = guild.clone();
            event["guild_locale"] = json!("en-US");
            event["guild"] = json!({"id": guild, "locale": "en-US", "features": []});
        }
        if let Some(source) = live.source {
            event["message"] = self.posts[&source].value.clone();
        }
        self.interactions.insert(id, live);
        self.dispatch("INTERACTION_CREATE", event);
        id
    }

    /// The first answer to an interaction.
    pub(super) fn answer(&mut self, id: u64, token: &str, detailed: bool, payload: &Value, files: &[Upload]) -> Reply {
        let unknown = || refuse(404, 10062, "Unknown interaction");
        let live = self.interactions.get(&id).filter(|live| live.token == token).ok_or_else(unknown)?;
        if live.answered.is_some() {
            return Err(refuse(400, 40060, "Interaction has already been acknowledged."));
        }
        let after = live.opened.elapsed();
        if after > self.answer_within {
            return Err(unknown());
        }
        let (allowed, choices): (&[u64], _) = match (live.kind, live.source) {
            (2, _) => (&[4, 5, 9], "4, 5, 9, 12"),
            (3, _) => (&[4, 5, 6, 7, 9], "4, 5, 6, 7, 9, 12"),
            (4, _) => (&[8], "8"),
            (_, Some(_)) => (&[4, 5, 6, 7], "4, 5, 6, 7, 12"),
            (_, None) => (&[4, 5], "4, 5, 12"),
        };
        let kind = payload["type"].as_u64().filter(|kind| allowed.contains(kind));
        let Some(kind) = kind else {
            let mut form = Form::default();
            form.choice("type", choices);
            return Err(form.finish().expect_err("one error was noted"));
        };
        let (channel, user, source) = (live.channel, live.user, live.source);
        let data = &payload["data"];
        let own_kind = live.command.as_ref().map_or(0, |(_, kind)| *kind);
        let original = match kind {
            4 | 5 => {
                let draft = Draft {
                    channel,
                    author: FakeDiscord::BOT_USER,
                    kind: own_kind,
                    payload: if kind == 4 { data.clone() } else { json!({"flags": data["flags"]}) },
                    files: files.to_vec(),
                    reply_to: source,
                    only_for: (data["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0).then_some(user),
                    hook: Some(id),
                    loading: kind == 5,
                    ..Draft::default()
                };
                Some(id_of(&self.publish(draft).map_err(|refusal| refusal.under("data"))?, "id"))
            }
            7 => {
                let source = source.expect("a component's message");
                self.revise(source, data, files).map_err(|refusal| refusal.under("data"))?;
                Some(source)
            }
            6 => source,
            8 => {
                check_choices(data)?;
                None
            }
            _ => {
                check_modal(data)?;
                None
            }
        };
        let live = self.interactions.get_mut(&id).expect("an interaction found before");
        (live.answered, live.response, live.original) = (Some(after), Some(payload.clone()), original);
        if !detailed {
            return Ok((204, Value::Null));
        }
        let mut body = json!({"interaction": {"id": text_id(id), "type": live.kind}, "resource": {"type": kind}});
        if let Some(original) = original {
            let message = &self.posts[&original].value;
            let flags = message["flags"].as_u64().unwrap_or(0);
            body["interaction"]["response_message_id"] = json!(text_id(original));
            body["interaction"]["response_message_loading"] = json!(flags & LOADING != 0);
            body["interaction"]["response_message_ephemeral"] = json!(flags & EPHEMERAL != 0);
            body["resource"]["message"] = message.clone();
        }
        Ok((200, body))
    }

    /// The interaction behind a webhook route, if its token still holds.
    pub(super) fn hook(&self, application: &str, token: &str) -> Result<u64, Refusal> {
        let unknown = || refuse(404, 10015, "Unknown Webhook");
        if application != text_id(FakeDiscord::APPLICATION) {
            return Err(unknown());
        }
        let found = self.interactions.iter().find(|(_, live)| live.token == token);
        let valid = found.filter(|(_, live)| live.opened.elapsed() < self.token_life);
        let (id, live) = valid.ok_or_else(|| refuse(401, 50027, "Invalid Webhook Token"))?;
        live.answered.map(|_| *id).ok_or_else(unknown)
    }

    pub(super) fn hook_message(&self, hook: u64, message: &str) -> Result<u64, Refusal> {
        let id = match message {
            "@original" => self.interactions[&hook].original,
            number => Some(snowflake("message_id", number)?),
        };
        let own = |id: &u64| {
            let shown = self.posts.get(id).is_some_and(|post| post.hook == Some(hook));
            shown || (self.posts.contains_key(id) && self.interactions[&hook].original == Some(*id))
        };
        id.filter(own).ok_or_else(|| refuse(404, 10008, "Unknown Message"))
    }

    pub(super) fn follow_up(&mut self, hook: u64, payload: &Value, files: &[Upload]) -> Reply {
        let live = &self.interactions[&hook];
        let original = live.original.filter(|id| self.posts.contains_key(id));
        if let Some(id) = original.filter(|id| self.posts[id].value["flags"].as_u64().unwrap_or(0) & LOADING != 0) {
            return Ok((200, self.revise(id, payload, files)?));
        }
        let ephemeral = payload["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
        let draft = Draft {
            channel: live.channel,
            author: FakeDiscord::BOT_USER,
            payload: payload.clone(),
            files: files.to_vec(),
            reply_to: original,
            only_for: ephemeral.then_some(live.user),
            hook: Some(hook),
            ..Draft::default()
        };
        Ok((200, self.publish(draft)?))
    }
}

impl Live {
    pub(super) fn new(kind: u64, user: u64, channel: u64, command: Option<(String, u64)>) -> Self {
        Live {
            token: String::new(),
            kind,
            user,
            channel,
            opened: Instant::now(),
            answered: None,
            response: None,
            source: None,
            original: None,
            metadata: json!({}),
            command,
        }
    }
}
