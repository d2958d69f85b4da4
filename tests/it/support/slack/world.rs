//! Conversations and messages, and the events they cause.

use super::*;

impl State {
    // Identifiers.

    pub(super) fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn uuid(&mut self) -> String {
        format!("5ac1fa4e-0000-4000-8000-{:012x}", self.next())
    }

    /// A timestamp later than every one before.
    pub(super) fn ts(&mut self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_micros();
        self.last_micros = now.max(self.last_micros + 1);
        format!("{}.{:06}", self.last_micros / 1_000_000, self.last_micros % 1_000_000)
    }

    pub(super) fn im(&mut self, user: &str) -> String {
        let id = format!("D0{}", user.trim_start_matches(['U', 'W']));
        let members = vec![user.to_owned(), FakeSlack::BOT_USER.into()];
        self.channels.entry(id.clone()).or_insert(Channel { name: "directmessage".into(), members });
        id
    }

    pub(super) fn trigger(&mut self, user: &str) -> String {
        let id = format!("{}.{}.fake", self.next(), self.next());
        self.triggers.insert(id.clone(), Trigger { user: user.into(), born: Instant::now(), used: false });
        id
    }

    pub(super) fn hook(&mut self, kind: &'static str, user: &str, channel: &str, source: Option<&str>) -> String {
        let id = format!("hook{}", self.next());
        let source = source.map(Into::into);
        let hook = Hook { kind, user: user.into(), channel: channel.into(), source, born: Instant::now(), uses: 0 };
        self.hooks.insert(id.clone(), hook);
        format!("http://127.0.0.1:{}/response/{id}", self.port)
    }

    // Sending.

    /// Hands a frame to the next socket, or to all; false when there is none.
    pub(super) fn transmit(&mut self, frame: &str) -> bool {
        self.sockets.retain(|socket| !socket.line.is_closed());
        if self.sockets.is_empty() {
            return false;
        }
        self.turn += 1;
        let chosen = self.turn % self.sockets.len();
        for (at, socket) in self.sockets.iter().enumerate() {
            if self.settings.every_socket || at == chosen {
                // A socket that closes this very moment loses the frame, as Slack's do.
                let _ = socket.line.send(Frame::Text(frame.into()));
            }
        }
        true
    }

    pub(super) fn callback(&mut self, inner: Value) -> Value {
        let serial = self.next();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        json!({"token": FakeSlack::VERIFICATION_TOKEN, "team_id": FakeSlack::TEAM_ID,
            "context_team_id": FakeSlack::TEAM_ID,
            "context_enterprise_id": null, "api_app_id": FakeSlack::APP_ID, "event": inner, "type": "event_callback",
            "event_id": format!("Ev{serial:09X}"), "event_time": seconds, "is_ext_shared_channel": false,
            "authorizations": [{"enterprise_id": null, "team_id": FakeSlack::TEAM_ID, "user_id": FakeSlack::BOT_USER,
                "is_bot": true, "is_enterprise_install": false}],
            "event_context": format!("4-fake{serial}")})
    }

    // Messages.

    pub(super) fn find(&self, channel: &str, ts: &str) -> Option<usize> {
        self.messages.get(channel)?.iter().position(|message| message["ts"] == ts)
    }

    pub(super) fn message_mut(&mut self, channel: &str, at: usize) -> &mut Value {
        &mut self.messages.get_mut(channel).expect("a channel with messages")[at]
    }

    pub(super) fn hears(&self, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|c| c.members.iter().any(|member| member == FakeSlack::BOT_USER))
    }

    /// A message as the API shows it: with its thread's counts, metadata only when asked for.
    pub(super) fn shown(&self, channel: &str, at: usize, metadata: bool) -> Value {
        let all = &self.messages[channel];
        let mut message = all[at].clone();
        if !metadata {
            message.as_object_mut().expect("a message is an object").remove("metadata");
        }
        let replies: Vec<&Value> =
            all.iter().filter(|m| m["thread_ts"] == message["ts"] && m["ts"] != message["ts"]).collect();
        if let Some(latest) = replies.last() {
            let people: BTreeSet<&str> = replies.iter().filter_map(|m| m["user"].as_str()).collect();
            message["thread_ts"] = message["ts"].clone();
            message["reply_count"] = json!(replies.len());
            message["reply_users_count"] = json!(people.len());
            message["reply_users"] = json!(people);
            message["latest_reply"] = latest["ts"].clone();
            message["is_locked"] = json!(false);
            message["subscribed"] = json!(false);
        }
        message
    }

    pub(super) fn bot_draft(&mut self) -> Value {
        json!({"type": "message", "user": FakeSlack::BOT_USER, "bot_id": FakeSlack::BOT_ID, "app_id": FakeSlack::APP_ID,
            "team": FakeSlack::TEAM_ID, "text": "", "ts": self.ts(), "bot_profile": bot_profile()})
    }

    /// The rich text Slack makes of what a person types.
    pub(super) fn typed(&mut self, text: &str) -> Value {
        let mut parts = Vec::new();
        for (at, piece) in text.split("<@").enumerate() {
            let (user, rest) = if at == 0 {
                (None, piece)
            } else {
                piece.split_once('>').map_or((None, piece), |(u, r)| (Some(u), r))
            };
            parts.extend(user.map(|user| json!({"type": "user", "user_id": user})));
            if !rest.is_empty() {
                parts.push(json!({"type": "text", "text": rest}));
            }
        }
        let section = json!({"type": "rich_text_section", "elements": parts});
        json!([{"type": "rich_text", "block_id": format!("b{}", self.next()), "elements": [section]}])
    }

    pub(super) fn person_posts(
        &mut self,
        user: &str,
        channel: &str,
        thread: Option<&str>,
        text: &str,
        files: &[(&str, &str)],
    ) -> (String, Vec<Value>) {
        let members = &self.channels.get(channel).unwrap_or_else(|| panic!("no channel {channel}")).members;
        assert!(members.iter().any(|member| member == user), "{user} is not in {channel}");
        let ts = self.ts();
        let mut message = json!({"type": "message", "user": user, "text": text, "ts": ts, "team": FakeSlack::TEAM_ID,
            "client_msg_id": self.uuid(), "blocks": self.typed(text)});
        if let Some(thread) = thread {
            let root = self.find(channel, thread).unwrap_or_else(|| panic!("no thread {thread} in {channel}"));
            message["thread_ts"] = json!(thread);
            message["parent_user_id"] = self.messages[channel][root]["user"].clone();
        }
        if !files.is_empty() {
            let files: Vec<Value> = files.iter().map(|(name, content)| self.keep_file(user, name, content)).collect();
            message["subtype"] = json!("file_share");
            message["upload"] = json!(false);
            message["files"] = json!(files);
        }
        self.messages.entry(channel.into()).or_default().push(message.clone());
        let mut events = Vec::new();
        if self.hears(channel) {
            message["channel"] = json!(channel);
            message["event_ts"] = json!(ts);
            let mut mention = message.clone();
            message["channel_type"] = json!(channel_type(channel, &self.channels[channel].name));
            events.push(message);
            let named = ["<@U0BOT>", "<@U0BOT|"].iter().any(|tag| text.contains(tag));
            if named && !channel.starts_with('D') {
                mention["type"] = json!("app_mention");
                events.push(mention);
            }
        }
        (ts, events)
    }

    /// A person's file, as messages show it.
    fn keep_file(&mut self, user: &str, name: &str, content: &str) -> Value {
        let id = format!("F0{:08X}", self.next());
        let mut file = self.file_object(&id, name, content.len(), user);
        let shown = file.clone();
        file["state"] = json!("complete");
        file["content"] = json!(content);
        self.files.push(file);
        shown
    }

    pub(super) fn file_object(&self, id: &str, name: &str, size: usize, user: &str) -> Value {
        let address = format!("http://127.0.0.1:{}/files/{id}/{name}", self.port);
        json!({"id": id, "name": name, "title": name, "size": size, "user": user, "mimetype": "text/plain",
            "filetype": "text", "mode": "hosted", "is_external": false, "created": 1, "timestamp": 1,
            "url_private": address, "url_private_download": address,
            "permalink": format!("https://fake.slack.com/files/{id}")})
    }

    /// Adds a finished message and, as an event of its own, tells the app.
    pub(super) fn add(&mut self, channel: &str, message: Value) -> Value {
        let stored = self.messages.entry(channel.into()).or_default();
        stored.push(message);
        let at = stored.len() - 1;
        let mut event = self.shown(channel, at, false);
        if let Some(thread) = event["thread_ts"].as_str() {
            self.active_statuses.remove(&(channel.into(), thread.into()));
        }
        event["channel"] = json!(channel);
        event["channel_type"] = json!(channel_type(channel, &self.channels[channel].name));
        event["event_ts"] = event["ts"].clone();
        if self.hears(channel) {
            self.outbox.push(event);
        }
        self.shown(channel, at, true)
    }

    fn hidden_event(&mut self, channel: &str, subtype: &str, before: &Value) -> Value {
        let stamp = self.ts();
        let mut before = before.clone();
        before.as_object_mut().expect("a message is an object").remove("metadata");
        json!({"type": "message", "subtype": subtype, "hidden": true, "channel": channel, "ts": stamp,
            "event_ts": stamp,
            "channel_type": channel_type(channel, &self.channels[channel].name), "previous_message": before})
    }

    pub(super) fn changed(&mut self, channel: &str, before: &Value, at: usize) -> Vec<Value> {
        let mut event = self.hidden_event(channel, "message_changed", before);
        event["message"] = self.shown(channel, at, false);
        if self.hears(channel) { vec![event] } else { Vec::new() }
    }

    /// Deletes a message; the root of a thread leaves a tombstone.
    pub(super) fn remove(&mut self, channel: &str, ts: &str) -> Result<Vec<Value>, Value> {
        let at = self.find(channel, ts).ok_or("message_not_found")?;
        let before = self.messages[channel][at].clone();
        if self.shown(channel, at, false)["reply_count"].is_number() {
            *self.message_mut(channel, at) = json!({"type": "message", "subtype": "tombstone", "user": "USLACKBOT",
                "text": "This message was deleted.", "hidden": true, "ts": ts, "thread_ts": ts});
            return Ok(self.changed(channel, &before, at));
        }
        self.messages.get_mut(channel).expect("the channel of the message").remove(at);
        let mut event = self.hidden_event(channel, "message_deleted", &before);
        event["deleted_ts"] = json!(ts);
        Ok(if self.hears(channel) { vec![event] } else { Vec::new() })
    }

    pub(super) fn react(
        &mut self,
        user: &str,
        channel: &str,
        ts: &str,
        name: &str,
        add: bool,
    ) -> Result<Vec<Value>, Value> {
        let at = self.find(channel, ts).ok_or("message_not_found")?;
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-+':".contains(c);
        if name.is_empty() || !name.chars().all(valid) {
            Err("invalid_name")?;
        }
        let stamp = self.ts();
        let message = self.message_mut(channel, at);
        let mut reactions = message["reactions"].as_array().cloned().unwrap_or_default();
        let known = reactions.iter().position(|r| r["name"] == name);
        let mut users: Vec<Value> =
            known.map(|k| reactions[k]["users"].as_array().cloned().unwrap_or_default()).unwrap_or_default();
        match (add, users.iter().position(|u| u == user)) {
            (true, Some(_)) => Err("already_reacted")?,
            (false, None) => Err("no_reaction")?,
            (true, None) => users.push(json!(user)),
            (false, Some(mine)) => drop(users.remove(mine)),
        }
        let reaction = json!({"name": name, "count": users.len(), "users": users});
        match known {
            Some(k) if users.is_empty() => drop(reactions.remove(k)),
            Some(k) => reactions[k] = reaction,
            None => reactions.push(reaction),
        }
        message["reactions"] = json!(reactions);
        if reactions.is_empty() {
            message.as_object_mut().expect("a message is an object").remove("reactions");
        }
        let event = json!({"type": if add { "reaction_added" } else { "reaction_removed" }, "user": user,
            "reaction": name, "item": {"type": "message", "channel": channel, "ts": ts}, "item_user": message["user"],
            "event_ts": stamp});
        Ok(if self.hears(channel) { vec![event] } else { Vec::new() })
    }

    pub(super) fn join(&mut self, user: &str, channel: &str) -> Vec<Value> {
        let members = &mut self.channels.get_mut(channel).unwrap_or_else(|| panic!("no channel {channel}")).members;
        if !members.iter().any(|member| member == user) {
            members.push(user.into());
        }
        let stamp = self.ts();
        let event = json!({"type": "member_joined_channel", "user": user, "channel": channel,
            "team": FakeSlack::TEAM_ID,
            "channel_type": if channel.starts_with('G') { "G" } else { "C" }, "event_ts": stamp});
        if self.hears(channel) { vec![event] } else { Vec::new() }
    }
}

pub(super) fn channel_type(id: &str, name: &str) -> &'static str {
    match id.as_bytes().first() {
        Some(b'D') => "im",
        Some(b'G') if name.starts_with("mpdm-") => "mpim",
        Some(b'G') => "group",
        _ => "channel",
    }
}

pub(super) fn bot_profile() -> Value {
    json!({"id": FakeSlack::BOT_ID, "deleted": false, "name": "fakebot", "updated": 1, "app_id": FakeSlack::APP_ID,
        "user_id": FakeSlack::BOT_USER, "team_id": FakeSlack::TEAM_ID, "icons": {"image_36": "https://fake.slack.com/36.png",
        "image_48": "https://fake.slack.com/48.png", "image_72": "https://fake.slack.com/72.png"}})
}

/// Replaces a message's content: text alone takes the blocks away and marks it edited, the rest stays unless given.
pub(super) fn rewrite(message: &mut Value, content: Args, stamp: &str) {
    let fields = message.as_object_mut().expect("a message is an object");
    if !content.contains_key("blocks") && content["text"] != "" {
        fields.remove("blocks");
        fields.insert("edited".into(), json!({"user": FakeSlack::BOT_USER, "ts": stamp}));
    }
    fields.extend(content);
    fields.retain(|key, value| !(key == "metadata" && value.as_object().is_some_and(Map::is_empty)));
}
