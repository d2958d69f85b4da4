//! The guild, its people and channels, and the messages in them.

use super::*;

impl State {
    pub(super) fn new(port: u16) -> Self {
        let mut state = State {
            port,
            last_id: 0,
            users: BTreeMap::new(),
            members: BTreeMap::new(),
            roles: BTreeMap::new(),
            channels: BTreeMap::new(),
            posts: BTreeMap::new(),
            attachments: HashMap::new(),
            reactions: BTreeMap::new(),
            denied: HashMap::new(),
            closed_to_bot: HashSet::new(),
            commands: Vec::new(),
            typing: HashMap::new(),
            interactions: BTreeMap::new(),
            nonces: Vec::new(),
            sessions: Vec::new(),
            wires: 0,
            identifies: 0,
            resumes: 0,
            intents: 0,
            privileged_allowed: true,
            heartbeat_ms: 41_250,
            heartbeats_muted: false,
            gateway_broken: false,
            last_event: None,
            faults: Vec::new(),
            buckets: Vec::new(),
            calls: Vec::new(),
            answer_within: Duration::from_secs(3),
            token_life: Duration::from_secs(15 * 60),
        };
        state.roles.insert(FakeDiscord::EVERYONE, role_object(FakeDiscord::EVERYONE, "@everyone", 0));
        for (id, name, bot) in [(FakeDiscord::BOT_USER, "the-bot", true), (FakeDiscord::OWNER, "the-owner", false)] {
            state.users.insert(id, user_object(id, name, bot));
            state.join(id, &[]);
        }
        state
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id = (self.last_id + 1).max((now_ms() - EPOCH_MS) << 22);
        self.last_id
    }

    pub(super) fn join(&mut self, user: u64, roles: &[u64]) {
        assert!(self.users.contains_key(&user), "no user {user}");
        let roles: Vec<String> = roles.iter().copied().map(text_id).collect();
        let member = json!({"avatar": null, "avatar_decoration_data": null, "banner": null, "collectibles": null,
            "communication_disabled_until": null, "deaf": false, "flags": 0, "joined_at": iso(EPOCH_MS), "mute": false,
            "nick": null, "pending": false, "premium_since": null, "roles": roles});
        let event = if self.members.insert(user, member).is_none() { "ADD" } else { "UPDATE" };
        let mut data = self.full_member(user).expect("a member just added");
        data["guild_id"] = json!(text_id(FakeDiscord::GUILD));
        self.dispatch(&format!("GUILD_MEMBER_{event}"), data);
    }

    pub(super) fn full_member(&self, user: u64) -> Option<Value> {
        let mut member = self.members.get(&user)?.clone();
        member["user"] = self.users[&user].clone();
        Some(member)
    }

    pub(super) fn add_channel(&mut self, id: u64, name: &str, kind: u64) {
        let mut channel = channel_object(id, name, kind);
        channel["position"] = json!(self.channels.len());
        channel["permission_overwrites"] = json!([]);
        if kind == FORUM {
            channel["available_tags"] = json!([]);
            channel["default_forum_layout"] = json!(0);
        }
        self.channels.insert(id, channel.clone());
        self.dispatch("CHANNEL_CREATE", channel);
    }

    pub(super) fn deny(&mut self, channel: u64, permissions: u64) {
        self.denied.insert(channel, permissions);
        let overwrite = json!({"id": text_id(FakeDiscord::BOT_USER), "type": 1, "allow": "0",
            "deny": permissions.to_string()});
        let known = self.channels.get_mut(&channel).expect("a known channel");
        known["permission_overwrites"] = if permissions == 0 { json!([]) } else { json!([overwrite]) };
    }

    /// What the bot may do in a channel, or in a thread by leave of its parent.
    pub(super) fn granted(&self, channel: u64) -> u64 {
        let parent = self.channels.get(&channel).map_or(0, |channel| id_of(channel, "parent_id"));
        let denied = |id| self.denied.get(&id).copied().unwrap_or(0);
        GRANTED & !denied(channel) & !denied(parent)
    }

    pub(super) fn is_dm(&self, channel: u64) -> bool {
        self.channels[&channel]["type"] == DM
    }

    pub(super) fn dm_of(&self, user: u64) -> Option<u64> {
        let with_user = |channel: &Value| channel["recipients"][0]["id"] == text_id(user);
        self.channels.iter().find(|(_, channel)| with_user(channel)).map(|(id, _)| *id)
    }

    pub(super) fn open_dm(&mut self, user: u64) -> u64 {
        self.dm_of(user).unwrap_or_else(|| {
            let id = self.next_id();
            let channel = json!({"id": text_id(id), "type": DM, "flags": 0, "last_message_id": null,
                "recipients": [self.users[&user]]});
            self.channels.insert(id, channel);
            id
        })
    }

    pub(super) fn open_thread(
        &mut self,
        parent: u64,
        id: u64,
        kind: u64,
        name: &str,
        owner: u64,
        archive: &Value,
    ) -> Value {
        let now = iso(now_ms());
        let archive_after = archive.as_u64().unwrap_or(4320);
        let mut thread = channel_object(id, name, kind);
        thread["parent_id"] = json!(text_id(parent));
        thread["owner_id"] = json!(text_id(owner));
        thread["applied_tags"] = json!([]);
        thread["thread_metadata"] = json!({"archived": false, "archive_timestamp": now, "create_timestamp": now,
            "auto_archive_duration": archive_after, "locked": false});
        for count in ["message_count", "total_message_sent"] {
            thread[count] = json!(0);
        }
        thread["member_count"] = json!(1);
        if owner == FakeDiscord::BOT_USER {
            thread["member"] = json!({"id": text_id(id), "user_id": text_id(owner), "join_timestamp": now, "flags": 0});
        }
        self.channels.insert(id, thread.clone());
        let mut event = thread.clone();
        event["newly_created"] = json!(true);
        self.dispatch("THREAD_CREATE", event);
        thread
    }

    pub(super) fn start_thread(
        &mut self,
        channel: u64,
        message: Option<u64>,
        kind: u64,
        name: &str,
        owner: u64,
        archive: &Value,
    ) -> Result<Value, Refusal> {
        let mut form = Form::default();
        form.text("name", &json!(name), 1, 100);
        if ![Value::Null, json!(60), json!(1440), json!(4320), json!(10080)].contains(archive) {
            form.choice("auto_archive_duration", "60, 1440, 4320, 10080");
        }
        form.finish()?;
        if message.is_some_and(|message| self.channels.contains_key(&message)) {
            return Err(refuse(400, 160004, "A thread has already been created for this message"));
        }
        let id = message.unwrap_or_else(|| self.next_id());
        let thread = self.open_thread(channel, id, kind, name, owner, archive);
        if let Some(message) = message {
            let post = self.posts.get_mut(&message).expect("a message found before");
            post.value["thread"] = thread.clone();
            post.value["flags"] = json!(post.value["flags"].as_u64().unwrap_or(0) | HAS_THREAD);
            self.announce("MESSAGE_UPDATE", message);
            let starter = self.next_id();
            let mut value = self.message_object(starter, id, owner, 21);
            value["message_reference"] = reference(message, channel, true);
            value["referenced_message"] = self.posts[&message].value.clone();
            self.posts.insert(starter, Post { channel: id, value, only_for: None, hook: None });
        } else if kind != 12 {
            let notice = self.next_id();
            let mut value = self.message_object(notice, channel, owner, 18);
            value["content"] = json!(name);
            value["message_reference"] =
                json!({"type": 0, "channel_id": text_id(id), "guild_id": text_id(FakeDiscord::GUILD)});
            self.posts.insert(notice, Post { channel, value, only_for: None, hook: None });
            self.announce("MESSAGE_CREATE", notice);
        }
        Ok(thread)
    }

    pub(super) fn message_object(&self, id: u64, channel: u64, author: u64, kind: u64) -> Value {
        json!({"id": text_id(id), "channel_id": text_id(channel), "author": self.users[&author], "type": kind,
            "content": "", "timestamp": iso((id >> 22) + EPOCH_MS), "edited_timestamp": null, "tts": false,
            "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
            "components": [], "pinned": false, "flags": 0})
    }

    /// Stores a message of a user, who can only write what Discord's own client lets through.
    pub(super) fn write(&mut self, draft: Draft) -> u64 {
        assert!(self.users.contains_key(&draft.author), "no user {}", draft.author);
        if !self.is_dm(draft.channel) && !self.members.contains_key(&draft.author) {
            self.join(draft.author, &[]);
        }
        let message = self.publish(draft).unwrap_or_else(|refusal| panic!("refused: {}", refusal.body()));
        id_of(&message, "id")
    }

    /// Checks, stores and announces a message.
    pub(super) fn publish(&mut self, draft: Draft) -> Result<Value, Refusal> {
        let payload = &draft.payload;
        if !draft.loading {
            check_message(payload, draft.files.len())?;
        }
        let id = draft.id.unwrap_or_else(|| self.next_id());
        let kind = if draft.reply_to.is_some() { 19 } else { draft.kind };
        let mut message = self.message_object(id, draft.channel, draft.author, kind);
        let ephemeral = if draft.only_for.is_some() { EPHEMERAL } else { 0 };
        let asked = payload["flags"].as_u64().unwrap_or(0) & (1 << 2 | 1 << 12 | COMPONENTS_V2);
        message["flags"] = json!(asked | ephemeral | if draft.loading { LOADING } else { 0 });
        message["tts"] = json!(payload["tts"] == true);
        if !payload["nonce"].is_null() {
            message["nonce"] = payload["nonce"].clone();
        }
        if let Some(replied) = draft.reply_to {
            let post = &self.posts[&replied];
            let mut referenced = post.value.clone();
            referenced.as_object_mut().expect("a message object").remove("referenced_message");
            message["message_reference"] = reference(replied, post.channel, !self.is_dm(post.channel));
            message["referenced_message"] = referenced;
        }
        let thread = &self.channels[&draft.channel];
        if !thread["message_count"].is_null() {
            message["position"] = thread["message_count"].clone();
        }
        if let Some(live) = draft.hook.and_then(|hook| self.interactions.get(&hook)) {
            message["application_id"] = json!(text_id(FakeDiscord::APPLICATION));
            message["webhook_id"] = message["application_id"].clone();
            message["interaction_metadata"] = live.metadata.clone();
            if let Some((name, _)) = &live.command {
                message["interaction"] =
                    json!({"id": live.metadata["id"], "type": live.kind, "name": name, "user": self.users[&live.user]});
            }
        }
        self.fill(&mut message, payload, &draft.files, draft.hook.is_some());
        let channel = self.channels.get_mut(&draft.channel).expect("a channel found before");
        channel["last_message_id"] = json!(text_id(id));
        for count in ["message_count", "total_message_sent"] {
            if let Some(before) = channel[count].as_u64().filter(|_| draft.id != Some(draft.channel)) {
                channel[count] = json!(before + 1);
            }
        }
        let post = Post { channel: draft.channel, value: message.clone(), only_for: draft.only_for, hook: draft.hook };
        self.posts.insert(id, post);
        self.announce("MESSAGE_CREATE", id);
        Ok(message)
    }

    /// Edits a message with what the payload mentions, ends its loading state, and announces that.
    pub(super) fn revise(&mut self, id: u64, payload: &Value, files: &[Upload]) -> Result<Value, Refusal> {
        let post = self.posts.get(&id).ok_or_else(|| refuse(404, 10008, "Unknown Message"))?;
        let mut message = post.value.clone();
        let mut whole = json!({"flags": message["flags"]});
        for key in ["content", "embeds", "components", "attachments"] {
            whole[key] = payload.get(key).unwrap_or(&message[key]).clone();
        }
        for key in ["allowed_mentions", "poll"] {
            whole[key] = payload[key].clone();
        }
        check_message(&whole, files.len())?;
        let flags = message["flags"].as_u64().unwrap_or(0);
        if flags & LOADING == 0 {
            message["edited_timestamp"] = json!(iso(now_ms()));
        }
        message["flags"] = json!(flags & !LOADING | payload["flags"].as_u64().unwrap_or(0) & (1 << 2 | COMPONENTS_V2));
        let by_hook = post.hook.is_some();
        self.fill(&mut message, payload, files, by_hook);
        self.posts.get_mut(&id).expect("a message found before").value = message.clone();
        self.announce("MESSAGE_UPDATE", id);
        Ok(message)
    }

    /// Writes the payload's content, embeds, components, files and mentions into a message.
    pub(super) fn fill(&mut self, message: &mut Value, payload: &Value, files: &[Upload], by_hook: bool) {
        if let Some(content) = payload.get("content") {
            message["content"] = json!(content.as_str().unwrap_or("").trim());
        }
        if let Some(embeds) = payload.get("embeds") {
            message["embeds"] = list(embeds).iter().map(embed_object).collect();
        }
        if let Some(components) = payload.get("components") {
            message["components"] = if components.is_null() { json!([]) } else { components.clone() };
            number_components(&mut message["components"], &mut 0);
        }
        let kept = |attachment: &&Value| {
            payload["attachments"].as_array().is_none_or(|keep| keep.iter().any(|k| k["id"] == attachment["id"]))
        };
        let mut attachments: Vec<Value> = list(&message["attachments"]).iter().filter(kept).cloned().collect();
        for file in files {
            let number = file.part.trim_start_matches("files[").trim_end_matches(']').to_owned();
            let given = list(&payload["attachments"]).iter().find(|a| a["id"].to_string().trim_matches('"') == number);
            let id = self.next_id();
            let channel = message["channel_id"].as_str().unwrap_or("");
            let path = format!("/attachments/{channel}/{id}/{}", file.name);
            let url = format!("http://127.0.0.1:{}{path}", self.port);
            self.attachments.insert(path, file.bytes.clone());
            let mut attachment = json!({"id": text_id(id), "filename": file.name, "size": file.bytes.len(), "url": url,
                "proxy_url": url, "content_type": file.kind});
            if let Some(description) = given.and_then(|given| given["description"].as_str()) {
                attachment["description"] = json!(description);
            }
            attachments.push(attachment);
        }
        message["attachments"] = json!(attachments);
        self.mark_mentions(message, &payload["allowed_mentions"], by_hook);
    }

    /// Works out whom a message mentions, as far as `allowed_mentions` lets it.
    pub(super) fn mark_mentions(&self, message: &mut Value, allowed: &Value, by_hook: bool) {
        let content = message["content"].as_str().unwrap_or("").to_owned();
        let may = |kind: &str, id: u64| {
            let all = if allowed.is_null() { !by_hook || kind == "users" } else { contains(&allowed["parse"], kind) };
            all || contains(&allowed[kind], &text_id(id))
        };
        let mut users: Vec<u64> = mentioned(&content, "<@").into_iter().filter(|id| may("users", *id)).collect();
        let replied = &message["referenced_message"]["author"]["id"];
        let pings_replied = !by_hook && (allowed.is_null() || allowed["replied_user"] == true);
        if pings_replied && !replied.is_null() && *replied != message["author"]["id"] {
            users.push(id_of(&message["referenced_message"]["author"], "id"));
        }
        let mut seen = HashSet::new();
        let known = users.into_iter().filter(|id| seen.insert(*id)).filter_map(|id| self.users.get(&id));
        message["mentions"] = known.cloned().collect();
        let roles =
            mentioned(&content, "<@&").into_iter().filter(|id| self.roles.contains_key(id) && may("roles", *id));
        message["mention_roles"] = roles.map(|id| json!(text_id(id))).collect();
        let everyone = content.contains("@everyone") || content.contains("@here");
        message["mention_everyone"] = json!(everyone && may("everyone", 0));
    }

    pub(super) fn remove_post(&mut self, id: u64) {
        let post = self.posts.remove(&id).expect("a message to delete");
        if post.only_for.is_none() {
            let mut data = json!({"id": text_id(id), "channel_id": text_id(post.channel)});
            self.add_guild(&mut data, post.channel);
            self.dispatch("MESSAGE_DELETE", data);
        }
    }

    pub(super) fn set_reaction(&mut self, user: u64, message: u64, emoji: &str, on: bool) {
        let held = self.reactions.entry(message).or_default();
        let before = held.len();
        held.retain(|(given, by)| !(given == emoji && *by == user));
        if on {
            held.push((emoji.to_owned(), user));
        } else if held.len() == before {
            return;
        }
        let mut counts: Vec<(String, u64, bool)> = Vec::new();
        for (given, by) in held.iter() {
            let mine = *by == FakeDiscord::BOT_USER;
            match counts.iter_mut().find(|(name, _, _)| name == given) {
                Some(count) => (count.1, count.2) = (count.1 + 1, count.2 || mine),
                None => counts.push((given.clone(), 1, mine)),
            }
        }
        let shown = counts.iter().map(|(name, count, me)| {
            json!({"emoji": emoji_object(name), "count": count, "count_details": {"burst": 0, "normal": count},
                "burst_colors": [], "me": me, "me_burst": false})
        });
        let post = self.posts.get_mut(&message).expect("a message to react to");
        post.value["reactions"] = shown.collect();
        let (channel, author) = (post.channel, post.value["author"]["id"].clone());
        let mut data = json!({"user_id": text_id(user), "channel_id": text_id(channel), "message_id": text_id(message),
            "emoji": emoji_object(emoji), "burst": false, "type": 0});
        self.add_guild(&mut data, channel);
        if on {
            data["message_author_id"] = author;
            if let (false, Some(member)) = (self.is_dm(channel), self.full_member(user)) {
                data["member"] = member;
            }
        }
        self.dispatch(if on { "MESSAGE_REACTION_ADD" } else { "MESSAGE_REACTION_REMOVE" }, data);
    }

    pub(super) fn add_guild(&self, data: &mut Value, channel: u64) {
        if !self.is_dm(channel) {
            data["guild_id"] = json!(text_id(FakeDiscord::GUILD));
        }
    }

    pub(super) fn public_posts(&self, channel: u64) -> impl DoubleEndedIterator<Item = &Value> {
        let here = move |post: &&Post| post.channel == channel && post.only_for.is_none();
        self.posts.values().filter(here).map(|post| &post.value)
    }
}
