//! The Web API's methods.

use super::*;

impl State {
    // The Web API.

    pub(super) fn api(
        &mut self,
        method: &str,
        http: &Method,
        headers: &HeaderMap,
        content_type: &str,
        args: Result<Args, Value>,
    ) -> Reply {
        let bearer = headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
        let provided = self.settings.scopes.join(",");
        let mut needed = Vec::new();
        let mut answer = args.and_then(|args| {
            let in_args = args.get("token").and_then(Value::as_str).filter(|_| method != "apps.connections.open");
            let token = bearer.or(in_args).ok_or("not_authed")?;
            let wanted = if method == "apps.connections.open" { FakeSlack::APP_TOKEN } else { FakeSlack::BOT_TOKEN };
            if token != FakeSlack::BOT_TOKEN && token != FakeSlack::APP_TOKEN {
                Err("invalid_auth")?;
            }
            if token != wanted {
                Err("not_allowed_token_type")?;
            }
            needed = scopes_for(method, &args);
            let granted = |scope: &&str| self.settings.scopes.iter().any(|have| have == scope);
            if !needed.is_empty() && !needed.iter().any(granted) {
                Err(json!({"error": "missing_scope", "needed": needed[0], "provided": provided}))?;
            }
            if method == "apps.connections.open" && http != Method::POST {
                Err("insecure_request")?;
            }
            self.call(method, &args)
        });
        if content_type == "application/json" {
            let body = match &mut answer {
                Err(Value::String(error)) => {
                    let error = std::mem::take(error);
                    answer = Err(json!({"error": error}));
                    answer.as_mut().expect_err("an error was just put here")
                }
                Ok(body) | Err(body) => body,
            };
            body["warning"] = json!("missing_charset");
            body["response_metadata"]["warnings"] = json!(["missing_charset"]);
        }
        let mut reply = Reply::json(200, answer);
        reply.headers.push(("x-oauth-scopes", provided));
        reply.headers.push(("x-accepted-oauth-scopes", needed.join(",")));
        reply
    }

    fn call(&mut self, method: &str, a: &Args) -> Answer {
        match method {
            "auth.test" => Ok(json!({"url": "https://fake.slack.com/", "team": "Fake", "user": "fakebot",
                "team_id": FakeSlack::TEAM_ID, "user_id": FakeSlack::BOT_USER, "bot_id": FakeSlack::BOT_ID,
                "is_enterprise_install": false})),
            "apps.connections.open" => {
                let ticket = self.uuid();
                self.tickets.insert(ticket.clone());
                Ok(
                    json!({"url": format!("ws://127.0.0.1:{}/link?ticket={ticket}&app_id={}", self.port, FakeSlack::APP_ID)}),
                )
            }
            "chat.postMessage" => self.post_message(a),
            "chat.postEphemeral" => self.post_ephemeral(a),
            "chat.update" => self.update(a),
            "chat.delete" => {
                let (channel, _) = self.own_message(a, "cant_delete_message")?;
                let ts = need(a, "ts")?;
                self.streams.remove(&(channel.clone(), ts.clone()));
                let events = self.remove(&channel, &ts)?;
                self.outbox.extend(events);
                Ok(json!({"channel": channel, "ts": ts}))
            }
            "chat.getPermalink" => {
                let channel = self.visible(&need(a, "channel")?)?;
                let ts = need(a, "message_ts")?;
                let at = self.find(&channel, &ts).ok_or("message_not_found")?;
                let mut link = format!("https://fake.slack.com/archives/{channel}/p{}", ts.replace('.', ""));
                if let Some(thread) = self.messages[&channel][at]["thread_ts"].as_str() {
                    link += &format!("?thread_ts={thread}&cid={channel}");
                }
                Ok(json!({"channel": channel, "permalink": link}))
            }
            "chat.startStream" => self.start_stream(a),
            "chat.appendStream" | "chat.stopStream" => self.continue_stream(a, method == "chat.stopStream"),
            "conversations.open" => self.open_conversation(a),
            "conversations.history" => {
                let channel = self.entered(&need(a, "channel")?)?;
                let is_shown = |m: &Value| {
                    m["thread_ts"].is_null() || m["thread_ts"] == m["ts"] || m["subtype"] == "thread_broadcast"
                };
                let mut found = self.between(&channel, a, is_shown)?;
                found.reverse();
                let (page, cursor) = page(found, a, 100)?;
                Ok(json!({"messages": page, "has_more": !cursor.is_empty(), "pin_count": 0,
                    "response_metadata": {"next_cursor": cursor}}))
            }
            "conversations.replies" => {
                let channel = self.entered(&need(a, "channel")?)?;
                let ts = need(a, "ts")?;
                let at = self.find(&channel, &ts).ok_or("thread_not_found")?;
                let root = self.shown(&channel, at, flag(a, "include_all_metadata"));
                let is_reply = |m: &Value| m["thread_ts"] == ts.as_str() && m["ts"] != ts.as_str();
                let (page, cursor) = page(self.between(&channel, a, is_reply)?, a, 1000)?;
                let messages: Vec<Value> = std::iter::once(root).chain(page).collect();
                Ok(json!({"messages": messages, "has_more": !cursor.is_empty(),
                        "response_metadata": {"next_cursor": cursor}}))
            }
            "conversations.info" => {
                let channel = self.visible(&need(a, "channel")?)?;
                let mut info = self.channel_json(&channel);
                if flag(a, "include_num_members") {
                    info["num_members"] = json!(self.channels[&channel].members.len());
                }
                Ok(json!({"channel": info}))
            }
            "conversations.list" => {
                let types = opt(a, "types").unwrap_or_else(|| "public_channel".into());
                let listed = |id: &str, name: &str| types.split(',').any(|t| t.trim() == listed_type(id, name));
                let found = self
                    .channels
                    .iter()
                    .filter(|(id, c)| listed(id, &c.name) && (id.starts_with('C') || self.hears(id)));
                let (page, cursor) = page(found.map(|(id, _)| (id.clone(), self.channel_json(id))).collect(), a, 100)?;
                Ok(json!({"channels": page, "response_metadata": {"next_cursor": cursor}}))
            }
            "conversations.members" => {
                let channel = self.visible(&need(a, "channel")?)?;
                let members = self.channels[&channel].members.iter().map(|m| (m.clone(), json!(m))).collect();
                let (page, cursor) = page(members, a, 100)?;
                Ok(json!({"members": page, "response_metadata": {"next_cursor": cursor}}))
            }
            "conversations.join" => {
                let channel = self.visible(&need(a, "channel")?)?;
                if !channel.starts_with('C') {
                    Err("method_not_supported_for_channel_type")?;
                }
                let already = self.hears(&channel);
                if !already {
                    let events = self.join(FakeSlack::BOT_USER, &channel);
                    self.outbox.extend(events);
                }
                let mut answer = json!({"channel": self.channel_json(&channel)});
                if already {
                    answer["warning"] = json!("already_in_channel");
                    answer["response_metadata"] = json!({"warnings": ["already_in_channel"]});
                }
                Ok(answer)
            }
            "users.info" => {
                let id = need(a, "user")?;
                Ok(json!({"user": self.user_json(&id).ok_or("user_not_found")?}))
            }
            "users.lookupByEmail" => {
                let email = need(a, "email")?;
                let known = self.users.iter().find(|(_, user)| user.email.eq_ignore_ascii_case(&email));
                Ok(json!({"user": self.user_json(known.ok_or("users_not_found")?.0)}))
            }
            "users.list" => {
                let users = self.users.keys().map(|id| (id.clone(), json!(self.user_json(id)))).collect();
                let (page, cursor) = page(users, a, 1000)?;
                Ok(json!({"members": page, "cache_ts": 1, "response_metadata": {"next_cursor": cursor}}))
            }
            "usergroups.list" => {
                let groups: Vec<Value> = self
                    .groups
                    .iter()
                    .map(|(id, group)| {
                        let mut shown = json!({"id": id, "team_id": FakeSlack::TEAM_ID, "is_usergroup": true,
                        "is_subteam": true,
                        "name": group.handle, "handle": group.handle, "description": "", "is_external": false,
                        "date_create": 1, "date_update": 1, "date_delete": 0, "auto_type": null,
                        "created_by": FakeSlack::BOT_USER, "updated_by": FakeSlack::BOT_USER, "deleted_by": null,
                        "prefs": {"channels": [], "groups": []}, "user_count": group.members.len()});
                        if flag(a, "include_users") {
                            shown["users"] = json!(group.members);
                        }
                        shown
                    })
                    .collect();
                Ok(json!({"usergroups": groups}))
            }
            "usergroups.users.list" => {
                let group = self.groups.get(&need(a, "usergroup")?).ok_or("no_such_subteam")?;
                Ok(json!({"users": group.members}))
            }
            "views.open" => self.open_view(a, false),
            "views.push" => self.open_view(a, true),
            "views.update" => {
                let external = opt(a, "external_id");
                let wanted = match &external {
                    Some(id) => id.clone(),
                    None => need(a, "view_id")?,
                };
                let key = if external.is_some() { "external_id" } else { "id" };
                let at = self.views.iter().position(|view| view[key] == wanted.as_str()).ok_or("not_found")?;
                checked_hash(a, &self.views[at])?;
                let view = self.checked_view(a.get("view"), "modal")?;
                self.views[at] = self.stand_in(view, Some(at));
                Ok(json!({"view": self.views[at]}))
            }
            "views.publish" => {
                let user = need(a, "user_id")?;
                if !self.users.contains_key(&user) {
                    Err("user_not_found")?;
                }
                if let Some(old) = self.homes.get(&user) {
                    checked_hash(a, old)?;
                }
                let view = self.checked_view(a.get("view"), "home")?;
                let view = self.stand_in(view, None);
                self.homes.insert(user, view.clone());
                Ok(json!({"view": view}))
            }
            "assistant.threads.setStatus" | "assistant.threads.setTitle" | "assistant.threads.setSuggestedPrompts" => {
                self.assistant(method, a)
            }
            "files.getUploadURLExternal" => {
                let (name, length) = (need(a, "filename")?, need(a, "length")?);
                let size: usize = length.parse().ok().filter(|size| *size > 0).ok_or("invalid_arguments")?;
                let id = format!("F0{:08X}", self.next());
                let mut file = self.file_object(&id, &name, size, FakeSlack::BOT_USER);
                file["state"] = json!("awaited");
                self.files.push(file);
                Ok(json!({"upload_url": format!("http://127.0.0.1:{}/upload/{id}", self.port), "file_id": id}))
            }
            "files.completeUploadExternal" => self.complete_upload(a),
            "files.info" => {
                let id = need(a, "file")?;
                let file = self.files.iter().find(|file| file["id"] == id.as_str()).ok_or("file_not_found")?;
                Ok(json!({"file": without_content(file), "comments": [], "response_metadata": {"next_cursor": ""}}))
            }
            "files.delete" => {
                let id = need(a, "file")?;
                let at = self.files.iter().position(|file| file["id"] == id.as_str()).ok_or("file_not_found")?;
                if self.files[at]["user"] != FakeSlack::BOT_USER {
                    Err("cant_delete_file")?;
                }
                self.files.remove(at);
                for messages in self.messages.values_mut() {
                    for message in messages.iter_mut().filter(|message| message["files"].is_array()) {
                        let files = message["files"].as_array_mut().expect("just seen");
                        files.iter_mut().filter(|file| file["id"] == id.as_str()).for_each(|file| {
                            *file = json!({"id": id, "mode": "tombstone"});
                        });
                    }
                }
                Ok(json!({}))
            }
            "reactions.add" | "reactions.remove" => {
                let channel = self.entered(&need(a, "channel")?)?;
                let (ts, name) = (need(a, "timestamp")?, need(a, "name")?);
                let events = self.react(FakeSlack::BOT_USER, &channel, &ts, &name, method == "reactions.add")?;
                self.outbox.extend(events);
                Ok(json!({}))
            }
            "bots.info" => match opt(a, "bot") {
                Some(id) if id != FakeSlack::BOT_ID => Err("bot_not_found".into()),
                _ => Ok(json!({"bot": bot_profile()})),
            },
            "team.info" => Ok(json!({"team": {"id": FakeSlack::TEAM_ID, "name": "Fake", "domain": "fake",
                "url": "https://fake.slack.com/", "email_domain": "", "icon": {"image_default": true}}})),
            _ => Err("unknown_method".into()),
        }
    }

    /// A conversation the bot may know of.
    fn visible(&self, channel: &str) -> Result<String, Value> {
        let known = self.channels.contains_key(channel) && (channel.starts_with('C') || self.hears(channel));
        Ok(known.then(|| channel.to_owned()).ok_or("channel_not_found")?)
    }

    /// A conversation the bot is in.
    fn entered(&self, channel: &str) -> Result<String, Value> {
        let channel = self.visible(channel)?;
        Ok(self.hears(&channel).then_some(channel).ok_or("not_in_channel")?)
    }

    /// A posted message's text, blocks, attachments and metadata, checked.
    pub(super) fn content(&mut self, a: &Args, longest: usize) -> Result<Args, Value> {
        let mut content = Args::new();
        let (text, markdown) = (opt(a, "text"), opt(a, "markdown_text"));
        let has = |key: &str| a.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        if markdown.is_some() && (text.is_some() || has("blocks")) {
            Err("markdown_text_conflict")?;
        }
        let too_long = |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.chars().count() > most);
        if too_long(&text, longest) || too_long(&markdown, 12_000) {
            Err("msg_too_long")?;
        }
        let text = text.or(markdown);
        if text.is_none() && !has("blocks") && !has("attachments") {
            Err("no_text")?;
        }
        content.insert("text".into(), json!(text.unwrap_or_default()));
        if let Some(blocks) = a.get("blocks").filter(|blocks| !blocks.is_null()) {
            let errors = check_blocks(blocks, "/blocks", false)?;
            if !errors.is_empty() {
                Err(json!({"error": "invalid_blocks", "errors": errors,
                        "response_metadata": {"messages": marked(&errors)}}))?;
            }
            let mut blocks = blocks.clone();
            self.name_blocks(&mut blocks);
            content.insert("blocks".into(), blocks);
        }
        if let Some(attachments) = a.get("attachments").and_then(Value::as_array) {
            if attachments.len() > 100 {
                Err("too_many_attachments")?;
            }
            content.insert("attachments".into(), json!(attachments));
        }
        if let Some(metadata) = a.get("metadata").filter(|metadata| !metadata.is_null()) {
            let empty = metadata.as_object().is_some_and(Map::is_empty);
            let whole = metadata["event_type"].is_string() && metadata["event_payload"].is_object();
            if !empty && !whole {
                Err("invalid_metadata_format")?;
            }
            content.insert("metadata".into(), metadata.clone());
        }
        Ok(content)
    }

    /// Gives blocks and their elements the ids Slack makes up.
    pub(super) fn name_blocks(&mut self, blocks: &mut Value) {
        for block in blocks.as_array_mut().into_iter().flatten() {
            if block["block_id"].as_str().is_none_or(str::is_empty) {
                block["block_id"] = json!(format!("b{}", self.next()));
            }
            let block = block.as_object_mut().expect("a checked block is an object");
            for key in ["accessory", "element", "elements"] {
                let held = match block.get_mut(key) {
                    Some(Value::Array(list)) => list.iter_mut().collect(),
                    Some(one) => vec![one],
                    None => Vec::new(),
                };
                for element in held.into_iter().filter(|e| is_interactive(e) && e["action_id"].is_null()) {
                    self.serial += 1;
                    element["action_id"] = json!(format!("a{}", self.serial));
                }
            }
        }
    }

    fn thread_arg(&self, channel: &str, a: &Args) -> Result<Option<usize>, Value> {
        let Some(ts) = opt(a, "thread_ts") else { return Ok(None) };
        moment(&ts).ok_or("invalid_thread_ts")?;
        let at = self.find(channel, &ts).ok_or("thread_not_found")?;
        let root = &self.messages[channel][at];
        if root["thread_ts"].is_string() && root["thread_ts"] != root["ts"] {
            Err("cannot_reply_to_message")?;
        }
        Ok(Some(at))
    }

    pub(super) fn new_bot_message(&mut self, channel: &str, a: &Args, content: Args) -> Result<Value, Value> {
        let root = self.thread_arg(channel, a)?;
        let mut message = self.bot_draft();
        message.as_object_mut().expect("a message is an object").extend(content);
        if let Some(root) = root.map(|at| self.messages[channel][at].clone()) {
            message["thread_ts"] = root["ts"].clone();
            message["parent_user_id"] = root["user"].clone();
            if flag(a, "reply_broadcast") {
                message["subtype"] = json!("thread_broadcast");
                message["root"] = root;
            }
        }
        Ok(message)
    }

    fn post_message(&mut self, a: &Args) -> Answer {
        let named = need(a, "channel")?;
        let by_name = self.channels.iter().find(|(_, c)| named.strip_prefix('#') == Some(c.name.as_str()));
        let channel = match by_name.map(|(id, _)| id.clone()) {
            Some(id) => id,
            None if self.users.contains_key(&named) => self.im(&named),
            None => named,
        };
        let anywhere = self.settings.scopes.iter().any(|scope| scope == "chat:write.public");
        let channel = if anywhere { self.visible(&channel)? } else { self.entered(&channel)? };
        let content = self.content(a, 40_000)?;
        let message = self.new_bot_message(&channel, a, content)?;
        let message = self.add(&channel, message);
        Ok(json!({"channel": channel, "ts": message["ts"], "message": message}))
    }

    fn post_ephemeral(&mut self, a: &Args) -> Answer {
        let channel = self.entered(&need(a, "channel")?)?;
        let user = need(a, "user")?;
        if !self.channels[&channel].members.contains(&user) {
            Err("user_not_in_channel")?;
        }
        let content = self.content(a, 40_000)?;
        let message = self.new_bot_message(&channel, a, content)?;
        self.ephemerals.push((channel, user, message.clone()));
        Ok(json!({"message_ts": message["ts"]}))
    }

    /// The bot's own message named by `channel` and `ts`, or that refusal.
    fn own_message(&self, a: &Args, refusal: &str) -> Result<(String, usize), Value> {
        let channel = self.visible(&need(a, "channel")?)?;
        let at = self.find(&channel, &need(a, "ts")?).ok_or("message_not_found")?;
        if self.messages[&channel][at]["bot_id"] != FakeSlack::BOT_ID {
            Err(refusal)?;
        }
        Ok((channel, at))
    }

    fn update(&mut self, a: &Args) -> Answer {
        let (channel, at) = self.own_message(a, "cant_update_message")?;
        let ts = need(a, "ts")?;
        if self.streams.contains_key(&(channel.clone(), ts.clone())) {
            Err("streaming_state_conflict")?;
        }
        let content = self.content(a, 4_000)?;
        let before = self.messages[&channel][at].clone();
        let stamp = self.ts();
        rewrite(self.message_mut(&channel, at), content, &stamp);
        let events = self.changed(&channel, &before, at);
        self.outbox.extend(events);
        let message = self.shown(&channel, at, true);
        Ok(json!({"channel": channel, "ts": ts, "text": message["text"], "message": message}))
    }

    fn start_stream(&mut self, a: &Args) -> Answer {
        let channel = self.entered(&need(a, "channel")?)?;
        if channel.starts_with('D') {
            need(a, "thread_ts")?;
        } else {
            opt(a, "recipient_team_id").ok_or("missing_recipient_team_id")?;
            opt(a, "recipient_user_id").ok_or("missing_recipient_user_id")?;
        }
        let mut message = self.new_bot_message(&channel, a, Args::new())?;
        let shape = stream_into(&mut message, a, None)?;
        message["streaming_state"] = json!("in_progress");
        let message = self.add(&channel, message);
        let ts = message["ts"].as_str().expect("a ts").to_owned();
        self.streams.insert((channel.clone(), ts.clone()), shape);
        Ok(json!({"channel": channel, "ts": ts}))
    }

    fn continue_stream(&mut self, a: &Args, stop: bool) -> Answer {
        let (channel, at) = self.own_message(a, "message_not_owned_by_app")?;
        let key = (channel.clone(), need(a, "ts")?);
        let shape = *self.streams.get(&key).ok_or("message_not_in_streaming_state")?;
        let before = self.messages[&channel][at].clone();
        let mut message = before.clone();
        let new_shape = stream_into(&mut message, a, shape)?;
        if !stop && opt(a, "markdown_text").is_none() && a.get("chunks").is_none() {
            need(a, "markdown_text")?;
        }
        self.streams.insert(key.clone(), new_shape);
        if stop {
            if a.contains_key("blocks") || a.contains_key("metadata") {
                let mut extra = a.clone();
                extra.remove("markdown_text");
                extra.insert("text".into(), json!("x"));
                let mut content = self.content(&extra, 40_000)?;
                if let Some(Value::Array(added)) = content.remove("blocks") {
                    let mut blocks = message["blocks"].as_array().cloned().unwrap_or_default();
                    blocks.extend(added);
                    message["blocks"] = json!(blocks);
                }
                if let Some(metadata) = content.remove("metadata") {
                    message["metadata"] = metadata;
                }
            }
            self.streams.remove(&key);
            message["streaming_state"] = json!("completed");
        }
        *self.message_mut(&channel, at) = message;
        if stop {
            let events = self.changed(&channel, &before, at);
            self.outbox.extend(events);
        }
        Ok(json!({"channel": channel, "ts": key.1}))
    }

    fn open_conversation(&mut self, a: &Args) -> Answer {
        let id = match (opt(a, "channel"), opt(a, "users")) {
            (Some(channel), _) => self.visible(&channel)?,
            (None, None) => Err("users_list_not_supplied")?,
            (None, Some(users)) => {
                let users: Vec<&str> = users.split(',').map(str::trim).collect();
                if users.iter().any(|user| !self.users.contains_key(*user)) {
                    Err("user_not_found")?;
                }
                match users[..] {
                    [one] => self.im(one),
                    _ => {
                        let id = format!("G0{}", users.concat());
                        let members = users.iter().copied().chain([FakeSlack::BOT_USER]).map(Into::into).collect();
                        self.channels
                            .insert(id.clone(), Channel { name: format!("mpdm-{}-1", users.join("--")), members });
                        id
                    }
                }
            }
        };
        Ok(json!({"channel": if flag(a, "return_im") { self.channel_json(&id) } else { json!({"id": id}) }}))
    }

    /// The messages that pass, within `oldest` and `latest`, oldest first, keyed by `ts`.
    fn between(&self, channel: &str, a: &Args, passes: impl Fn(&Value) -> bool) -> Result<Vec<(String, Value)>, Value> {
        let bound = |key: &str, error: &str| match opt(a, key) {
            None => Ok(None),
            Some(ts) => moment(&ts).map(Some).ok_or_else(|| json!(error)),
        };
        let (oldest, latest) = (bound("oldest", "invalid_ts_oldest")?, bound("latest", "invalid_ts_latest")?);
        let (inclusive, metadata) = (flag(a, "inclusive"), flag(a, "include_all_metadata"));
        let mut found = Vec::new();
        for (at, message) in self.messages.get(channel).into_iter().flatten().enumerate() {
            let ts = message["ts"].as_str().expect("a ts");
            let now = moment(ts);
            let after = oldest.is_none() || now > oldest || (inclusive && now == oldest);
            let before = latest.is_none() || now < latest || (inclusive && now == latest);
            if after && before && passes(message) {
                found.push((ts.to_owned(), self.shown(channel, at, metadata)));
            }
        }
        Ok(found)
    }

    fn channel_json(&self, id: &str) -> Value {
        let channel = &self.channels[id];
        let kind = channel_type(id, &channel.name);
        if kind == "im" {
            let user = channel.members.iter().find(|member| *member != FakeSlack::BOT_USER);
            return json!({"id": id, "created": 1, "is_im": true, "is_archived": false, "is_org_shared": false,
                "user": user,
                "is_user_deleted": false, "is_open": true});
        }
        json!({"id": id, "name": channel.name, "name_normalized": channel.name, "created": 1,
            "creator": channel.members.first(), "is_channel": kind == "channel", "is_group": kind == "group",
            "is_im": false,
            "is_mpim": kind == "mpim", "is_private": kind != "channel", "is_archived": false, "is_general": false,
            "is_shared": false, "is_org_shared": false, "is_member": self.hears(id), "previous_names": [],
            "topic": {"value": "", "creator": "", "last_set": 0}, "purpose": {"value": "", "creator": "",
            "last_set": 0}})
    }

    fn user_json(&self, id: &str) -> Option<Value> {
        let user = self.users.get(id)?;
        let mut profile = json!({"real_name": user.name, "display_name": user.name, "real_name_normalized": user.name,
            "display_name_normalized": user.name, "team": FakeSlack::TEAM_ID});
        if !user.email.is_empty() && self.settings.scopes.iter().any(|scope| scope == "users:read.email") {
            profile["email"] = json!(user.email);
        }
        let is_bot = id == FakeSlack::BOT_USER;
        Some(
            json!({"id": id, "team_id": FakeSlack::TEAM_ID, "name": user.name, "real_name": user.name, "deleted": false,
            "tz": "Etc/UTC", "tz_label": "Coordinated Universal Time", "tz_offset": 0, "profile": profile,
            "is_admin": false, "is_owner": false, "is_restricted": false, "is_ultra_restricted": false,
            "is_bot": is_bot, "is_app_user": false, "updated": 1}),
        )
    }

    fn assistant(&mut self, method: &str, a: &Args) -> Answer {
        let channel = self.entered(&need(a, "channel_id")?)?;
        let is_prompts = method.ends_with("Prompts");
        let thread = if is_prompts { opt(a, "thread_ts") } else { Some(need(a, "thread_ts")?) };
        if thread.as_ref().is_some_and(|ts| self.find(&channel, ts).is_none()) {
            Err("invalid_thread_ts")?;
        }
        if is_prompts {
            let prompts = a.get("prompts").and_then(Value::as_array).ok_or_else(|| missing("prompts"))?;
            let whole =
                |p: &Value| ["title", "message"].iter().all(|key| p[key].as_str().is_some_and(|s| !s.is_empty()));
            if prompts.is_empty() || prompts.len() > 4 || !prompts.iter().all(whole) {
                Err("invalid_arguments")?;
            }
            self.prompts.push(json!(a));
        } else if method.ends_with("Title") {
            need(a, "title")?;
            self.titles.push(json!(a));
        } else {
            let status = a.get("status").and_then(Value::as_str).ok_or_else(|| missing("status"))?;
            if a.get("loading_messages").and_then(Value::as_array).is_some_and(|list| list.len() > 10) {
                Err("invalid_arguments")?;
            }
            let key = (channel, thread.expect("setStatus needs a thread"));
            if status.is_empty() {
                self.active_statuses.remove(&key);
            } else {
                self.active_statuses.insert(key, status.into());
            }
            self.statuses.push(json!(a));
        }
        Ok(json!({}))
    }

    pub(super) fn upload(&mut self, id: &str, content_type: &str, body: &Bytes) -> Reply {
        let text = String::from_utf8_lossy(body);
        let content = match content_type.split_once("boundary=") {
            Some((_, mark)) => {
                let part = text.split_once("\r\n\r\n").map_or("", |(_, rest)| rest);
                part.split_once(&format!("\r\n--{}", mark.trim_matches('"')))
                    .map_or("", |(content, _)| content)
                    .to_owned()
            }
            None => text.into_owned(),
        };
        let Some(file) = self.files.iter_mut().find(|file| file["id"] == id && file["state"] == "awaited") else {
            return Reply::new(404, "text/plain", "no such upload");
        };
        if file["size"] != content.len() && !content.contains('\u{fffd}') {
            return Reply::new(400, "text/plain", "length mismatch");
        }
        file["state"] = json!("uploaded");
        let size = file["size"].to_string();
        file["content"] = json!(content);
        Reply::new(200, "text/plain", format!("OK - {size}"))
    }

    /// What is in a file; whoever may not read it is sent to where people log in.
    pub(super) fn download(&self, path: &str, headers: &HeaderMap) -> Reply {
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let id = path.split('/').next().unwrap_or_default();
        let allowed = bearer == format!("Bearer {}", FakeSlack::BOT_TOKEN)
            && self.settings.scopes.iter().any(|scope| scope == "files:read");
        if !allowed {
            let mut reply = Reply::new(302, "text/html", "");
            reply.headers.push(("location", "https://fake.slack.com/?redir=files".into()));
            return reply;
        }
        match self.files.iter().find(|file| file["id"] == id && file["state"] == "complete") {
            Some(file) => Reply::new(200, "text/plain", file["content"].as_str().unwrap_or_default()),
            None => Reply::new(404, "text/html", "no such file"),
        }
    }

    fn complete_upload(&mut self, a: &Args) -> Answer {
        let wanted =
            a.get("files").and_then(Value::as_array).filter(|list| !list.is_empty()).ok_or_else(|| missing("files"))?;
        let channels = opt(a, "channel_id").or_else(|| opt(a, "channels")).unwrap_or_default();
        let mut shares = Vec::new();
        for channel in channels.split(',').filter(|id| !id.is_empty()) {
            shares.push(self.entered(channel)?);
        }
        let mut places = Vec::new();
        for file in wanted {
            let ready = |f: &Value| f["id"] == file["id"] && f["state"] == "uploaded";
            places.push(self.files.iter().position(ready).ok_or("file_not_found")?);
        }
        for (at, file) in places.iter().zip(wanted) {
            self.files[*at]["state"] = json!("complete");
            if file["title"].is_string() {
                self.files[*at]["title"] = file["title"].clone();
            }
        }
        let shown: Vec<Value> = places.iter().map(|at| without_content(&self.files[*at])).collect();
        for channel in shares {
            let mut message = self.new_bot_message(&channel, a, Args::new())?;
            message["text"] = json!(opt(a, "initial_comment").unwrap_or_default());
            message["files"] = json!(shown);
            message["upload"] = json!(false);
            message["subtype"] = json!("file_share");
            self.add(&channel, message);
        }
        Ok(json!({"files": shown}))
    }
}

/// A file as the API shows it.
fn without_content(file: &Value) -> Value {
    let mut file = file.clone();
    file.as_object_mut().expect("a file is an object").retain(|key, _| key != "content" && key != "state");
    file
}

/// The scopes of which one is needed.
pub(super) fn scopes_for(method: &str, a: &Args) -> Vec<&'static str> {
    let channel = opt(a, "channel").unwrap_or_default();
    let by_kind = |of_channel, of_group, of_im, of_mpim| match channel.as_bytes().first() {
        None => vec![of_channel, of_group, of_im, of_mpim],
        Some(b'D') => vec![of_im],
        Some(b'G') => vec![of_group, of_mpim],
        Some(_) => vec![of_channel],
    };
    match method {
        "conversations.history" | "conversations.replies" => {
            by_kind("channels:history", "groups:history", "im:history", "mpim:history")
        }
        "conversations.info" | "conversations.list" | "conversations.members" => {
            by_kind("channels:read", "groups:read", "im:read", "mpim:read")
        }
        "conversations.join" => vec!["channels:join"],
        "conversations.open" => vec!["im:write", "mpim:write"],
        "users.lookupByEmail" => vec!["users:read.email"],
        "users.info" | "users.list" | "bots.info" => vec!["users:read"],
        "usergroups.list" | "usergroups.users.list" => vec!["usergroups:read"],
        "team.info" => vec!["team:read"],
        "assistant.threads.setStatus" => vec!["chat:write", "assistant:write"],
        "assistant.threads.setTitle" | "assistant.threads.setSuggestedPrompts" => vec!["assistant:write"],
        "files.getUploadURLExternal" | "files.completeUploadExternal" | "files.delete" => vec!["files:write"],
        "files.info" => vec!["files:read"],
        "reactions.add" | "reactions.remove" => vec!["reactions:write"],
        "chat.getPermalink" => Vec::new(),
        _ if method.starts_with("chat.") => vec!["chat:write"],
        _ => Vec::new(),
    }
}

pub(super) fn listed_type(id: &str, name: &str) -> &'static str {
    match channel_type(id, name) {
        "channel" => "public_channel",
        "group" => "private_channel",
        other => other,
    }
}

pub(super) fn missing(key: &str) -> Value {
    json!({"error": "invalid_arguments",
        "response_metadata": {"messages": [format!("[ERROR] missing required field: {key}")]}})
}

/// A scalar argument, whichever JSON type carried it; empty counts as absent.
pub(super) fn opt(a: &Args, key: &str) -> Option<String> {
    match a.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        scalar @ (Value::Number(_) | Value::Bool(_)) => Some(scalar.to_string()),
        _ => None,
    }
}

pub(super) fn need(a: &Args, key: &str) -> Result<String, Value> {
    opt(a, key).ok_or_else(|| missing(key))
}

pub(super) fn flag(a: &Args, key: &str) -> bool {
    opt(a, key).is_some_and(|value| value == "true" || value == "1")
}

/// One page of keyed items; the cursor names the first item of the next page.
pub(super) fn page(items: Vec<(String, Value)>, a: &Args, default: usize) -> Result<(Vec<Value>, String), Value> {
    let limit: usize = match opt(a, "limit") {
        None => default,
        Some(limit) => limit.parse().map_err(|_| json!("invalid_limit"))?,
    };
    let limit = if limit == 0 { default } else { limit.min(1000) };
    let start = match opt(a, "cursor") {
        None => 0,
        Some(cursor) => items.iter().position(|(key, _)| cursor_for(key) == cursor).ok_or("invalid_cursor")?,
    };
    let next = items.get(start + limit).map(|(key, _)| cursor_for(key)).unwrap_or_default();
    Ok((items.into_iter().skip(start).take(limit).map(|(_, item)| item).collect(), next))
}

/// Opaque, and like Slack's in need of escaping in a query.
pub(super) fn cursor_for(key: &str) -> String {
    key.bytes().fold(String::new(), |out, byte| format!("{out}{byte:02x}")) + "=="
}

pub(super) fn moment(ts: &str) -> Option<(u64, u64)> {
    let (seconds, micros) = ts.split_once('.').unwrap_or((ts, "0"));
    Some((seconds.parse().ok()?, format!("{micros:0<6}").parse().ok()?))
}

/// Adds streamed text or chunks to a message and returns the stream's shape, which the first content decides.
pub(super) fn stream_into(
    message: &mut Value,
    a: &Args,
    shape: Option<&'static str>,
) -> Result<Option<&'static str>, Value> {
    let markdown = opt(a, "markdown_text");
    let chunks = a.get("chunks").filter(|chunks| !chunks.is_null());
    let given = match (&markdown, chunks) {
        (Some(_), Some(_)) => Err("invalid_arguments")?,
        (Some(_), None) => Some("text"),
        (None, Some(_)) => Some("chunks"),
        (None, None) => None,
    };
    if given.is_some() && shape.is_some() && given != shape {
        Err("streaming_mode_mismatch")?;
    }
    let mut text = message["text"].as_str().unwrap_or_default().to_owned();
    let mut blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    let mut added = markdown.unwrap_or_default();
    for chunk in chunks.map(|chunks| chunks.as_array().ok_or("invalid_chunks")).transpose()?.into_iter().flatten() {
        match chunk["type"].as_str() {
            Some("markdown_text") => added += chunk["text"].as_str().ok_or("invalid_chunks")?,
            Some("task_update") if chunk["id"].is_string() && chunk["title"].is_string() => {
                if !chunk["status"]
                    .as_str()
                    .is_none_or(|s| ["pending", "in_progress", "complete", "error"].contains(&s))
                {
                    Err("invalid_chunks")?;
                }
                let mut card = chunk.clone();
                card["type"] = json!("task_card");
                card["task_id"] = card["id"].take();
                match blocks.iter_mut().find(|block| block["task_id"] == card["task_id"]) {
                    Some(old) => *old = card,
                    None => blocks.push(card),
                }
            }
            Some("plan_update") if chunk["title"].is_string() => {
                blocks.retain(|block| block["type"] != "plan");
                blocks.push(json!({"type": "plan", "title": chunk["title"]}));
            }
            Some("blocks") => blocks.extend(chunk["blocks"].as_array().ok_or("invalid_chunks")?.iter().cloned()),
            _ => Err("invalid_chunks")?,
        }
    }
    if added.chars().count() > 12_000 {
        Err("msg_too_long")?;
    }
    text += &added;
    message["text"] = json!(text);
    if !blocks.is_empty() {
        message["blocks"] = json!(blocks);
    }
    Ok(shape.or(given))
}
