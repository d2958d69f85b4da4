//! The REST API: how requests are read, routed, limited and answered.

use super::*;

/// Answers one REST request, faults and rate limits included, and records it.
pub(super) async fn serve_rest(
    Shared(fake): Shared<FakeDiscord>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let header_text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let (method, url) = (parts.method.to_string(), parts.uri.to_string());
    let content_type = header_text(header::CONTENT_TYPE);
    if let Some(bytes) = fake.lock().attachments.get(parts.uri.path()) {
        return Response::new(Body::from(bytes.clone()));
    }
    let authorized = header_text(header::AUTHORIZATION) == format!("Bot {}", FakeDiscord::TOKEN);
    let bytes = to_bytes(body, 64 << 20).await.unwrap_or_default();
    let raw = String::from_utf8_lossy(&bytes).into_owned();
    let copy = Request::from_parts(parts.clone(), Body::from(bytes));
    let (payload, files) = read_payload(&content_type, &raw, copy).await;
    let path = parts.uri.path().strip_prefix("/api/v10").unwrap_or("/not/under/api/v10").to_owned();
    let query: HashMap<String, String> = Query::try_from_uri(&parts.uri).map(|Query(query)| query).unwrap_or_default();

    let (fault, rate, reply) = {
        let mut state = fake.lock();
        let fault = state.take_fault(&method, &path);
        let rate = state.spend(&method, &path);
        let reply = match (&fault, rate.refused_for) {
            (Some(Fault::Status(status)), _) => {
                let reason = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
                Err(refuse(*status, 0, &format!("{status}: {}", reason.unwrap_or("Unknown"))))
            }
            (Some(Fault::Error { status, code, message }), _) => Err(refuse(*status, *code, message)),
            (Some(Fault::RateLimited { after, global, .. }), _) => Ok((429, limited(*after, *global))),
            (Some(Fault::Hang), _) => Ok((0, Value::Null)),
            (_, Some(after)) => Ok((429, limited(after, false))),
            _ => payload.clone().and_then(|payload| {
                let segments: Vec<String> = path.split('/').skip(1).map(decode).collect();
                let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
                state.work(&method, &segments, &query, authorized, &payload, &files)
            }),
        };
        (fault, rate, reply)
    };
    let (status, value) = reply.unwrap_or_else(|refusal| (refusal.status, refusal.body()));
    let mut text = if status == 204 { String::new() } else { value.to_string() };
    if matches!(fault, Some(Fault::BadJson)) {
        text = text.chars().take(text.chars().count().div_ceil(2)).collect();
    }
    let silent = matches!(fault, Some(Fault::Hang | Fault::LostReply));
    let (seen_status, seen_text) = if silent { (0, "") } else { (status, text.as_str()) };
    let line = json!({"method": method, "url": url, "ct": content_type, "body": raw, "status": seen_status,
        "resp": seen_text});
    let body = payload.unwrap_or(Value::Null);
    fake.lock().calls.push(Call { method, path, body, line: line.to_string() });
    if matches!(fault, Some(Fault::Hang)) {
        std::future::pending::<()>().await;
    }
    if silent {
        wire.0.shutdown(std::net::Shutdown::Both).ok();
    }

    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs_f64();
    let mut answer = Response::builder()
        .status(if silent { 500 } else { status })
        .header("X-RateLimit-Limit", rate.limit)
        .header("X-RateLimit-Remaining", rate.remaining)
        .header("X-RateLimit-Reset", format!("{:.3}", now + rate.reset_after))
        .header("X-RateLimit-Reset-After", format!("{:.3}", rate.reset_after))
        .header("X-RateLimit-Bucket", rate.bucket);
    if status == 429 {
        let (global, scope) = match fault {
            Some(Fault::RateLimited { global, scope, .. }) => (global, scope),
            _ => (false, "user"),
        };
        answer = answer.header("X-RateLimit-Scope", scope);
        answer = answer.header("Retry-After", value["retry_after"].as_f64().unwrap_or(0.0).ceil() as u64);
        if global {
            answer = answer.header("X-RateLimit-Global", "true");
        }
    }
    if status != 204 {
        answer = answer.header(header::CONTENT_TYPE, "application/json");
    }
    answer.body(Body::from(text)).expect("a well-formed answer")
}

/// The JSON of a request and its files, whichever way they were sent.
pub(super) async fn read_payload(
    content_type: &str,
    raw: &str,
    request: Request,
) -> (Result<Value, Refusal>, Vec<Upload>) {
    let mut files = Vec::new();
    let mut json_text = raw.to_owned();
    if content_type.starts_with("multipart/form-data") {
        json_text = String::new();
        let Ok(mut form) = Multipart::from_request(request, &()).await else {
            return (Err(refuse(400, 50035, "Invalid Form Body")), files);
        };
        while let Ok(Some(field)) = form.next_field().await {
            let part = field.name().unwrap_or("").to_owned();
            if part == "payload_json" {
                json_text = field.text().await.unwrap_or_default();
            } else {
                let name = field.file_name().unwrap_or("file").to_owned();
                let kind = field.content_type().unwrap_or("application/octet-stream").to_owned();
                let bytes = field.bytes().await.map_or(Vec::new(), |bytes| bytes.to_vec());
                files.push(Upload { part, name, kind, bytes });
            }
        }
    } else if !raw.is_empty() && !content_type.starts_with("application/json") {
        let message = "Expected \"Content-Type\" header to be one of {'application/json', 'multipart/form-data'}.";
        return (Err(refuse(400, 50035, message)), files);
    }
    if json_text.is_empty() {
        return (Ok(Value::Null), files);
    }
    let parsed = serde_json::from_str(&json_text);
    (parsed.map_err(|_| refuse(400, 50109, "The request body contains invalid JSON.")), files)
}

impl State {
    pub(super) fn take_fault(&mut self, method: &str, path: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(route, _)| fits(route, method, path))?;
        Some(self.faults.remove(at).1)
    }

    pub(super) fn spend(&mut self, method: &str, path: &str) -> Rate {
        let parts: Vec<&str> = path.split('/').collect();
        let is_number = |part: &&str| part.parse::<u64>().is_ok();
        let shape: Vec<&str> = parts.iter().map(|part| if is_number(part) { "{}" } else { part }).collect();
        let mut hasher = DefaultHasher::new();
        (method, &shape).hash(&mut hasher);
        let bucket = format!("{:016x}", hasher.finish());
        let mut rate = Rate { limit: 1000, remaining: 999, reset_after: 1.0, bucket, refused_for: None };
        if let Some(bucket) = self.buckets.iter_mut().rev().find(|bucket| fits(&bucket.route, method, path)) {
            let major = parts.get(1..3).unwrap_or_default().join("/");
            let now = Instant::now();
            let (start, used) = bucket.spent.entry(major).or_insert((now, 0));
            if start.elapsed() >= bucket.window {
                (*start, *used) = (now, 0);
            }
            rate.reset_after = (bucket.window.saturating_sub(start.elapsed())).as_secs_f64();
            rate.refused_for = (*used >= bucket.per).then_some(rate.reset_after);
            *used = (*used + 1).min(bucket.per);
            (rate.limit, rate.remaining) = (bucket.per, bucket.per - *used);
        }
        rate
    }

    pub(super) fn visible(&self, channel: &str) -> Result<u64, Refusal> {
        let id = snowflake("channel_id", channel)?;
        if !self.channels.contains_key(&id) {
            return Err(refuse(404, 10003, "Unknown Channel"));
        }
        if self.granted(id) & VIEW_CHANNEL == 0 { Err(refuse(403, 50001, "Missing Access")) } else { Ok(id) }
    }

    pub(super) fn writable(&self, channel: &str) -> Result<u64, Refusal> {
        let id = self.visible(channel)?;
        let known = &self.channels[&id];
        let needed = if known["thread_metadata"].is_null() { SEND_MESSAGES } else { SEND_IN_THREADS };
        if self.granted(id) & needed == 0 {
            return Err(refuse(403, 50013, "Missing Permissions"));
        }
        if known["type"] == DM && self.closed_to_bot.contains(&id_of(&known["recipients"][0], "id")) {
            return Err(refuse(403, 50007, "Cannot send messages to this user"));
        }
        Ok(id)
    }

    pub(super) fn message_in(&self, channel: u64, message: &str) -> Result<u64, Refusal> {
        let id = snowflake("message_id", message)?;
        let here = self.posts.get(&id).is_some_and(|post| post.channel == channel && post.only_for.is_none());
        if here { Ok(id) } else { Err(refuse(404, 10008, "Unknown Message")) }
    }

    /// A message as REST shows it to the bot.
    pub(super) fn shown(&self, message: &Value) -> Value {
        let mut message = message.clone();
        if !self.privileged_allowed {
            let in_guild = !self.is_dm(id_of(&message, "channel_id"));
            hide_content(&mut message, in_guild);
        }
        message
    }

    pub(super) fn work(
        &mut self,
        method: &str,
        segments: &[&str],
        query: &HashMap<String, String>,
        authorized: bool,
        payload: &Value,
        files: &[Upload],
    ) -> Reply {
        let bot = FakeDiscord::BOT_USER;
        if !authorized && !matches!(segments, ["interactions" | "webhooks", ..] | ["gateway"]) {
            return Err(refuse(401, 0, "401: Unauthorized"));
        }
        let guild_unknown = || refuse(404, 10004, "Unknown Guild");
        if let ["guilds", guild, ..] = segments
            && *guild != text_id(FakeDiscord::GUILD)
        {
            snowflake("guild_id", guild)?;
            return Err(guild_unknown());
        }
        match (method, segments) {
            ("GET", ["gateway", ..]) if self.gateway_broken => Err(refuse(500, 0, "500: Internal Server Error")),
            ("GET", ["gateway"]) => Ok((200, json!({"url": gateway_url(self.port)}))),
            ("GET", ["gateway", "bot"]) => {
                let remaining = 1000_usize.saturating_sub(self.identifies);
                let limit =
                    json!({"total": 1000, "remaining": remaining, "reset_after": 86_400_000, "max_concurrency": 1});
                Ok((200, json!({"url": gateway_url(self.port), "shards": 1, "session_start_limit": limit})))
            }
            ("GET", ["users", "@me"]) => {
                let mut user = self.users[&bot].clone();
                let own =
                    json!({"mfa_enabled": true, "locale": "en-US", "verified": true, "email": null, "premium_type": 0});
                user.as_object_mut().expect("a user object").extend(own.as_object().cloned().unwrap_or_default());
                Ok((200, user))
            }
            ("GET", ["users", "@me", "guilds"]) => {
                let guild = json!({"id": text_id(FakeDiscord::GUILD), "name": "The Guild", "icon": null, "banner": null,
                    "owner": false, "permissions": GRANTED.to_string(), "features": []});
                Ok((200, json!([guild])))
            }
            ("POST", ["users", "@me", "channels"]) => {
                let id = payload["recipient_id"].as_str().and_then(|id| id.parse().ok());
                let user = id.filter(|id| *id != bot && self.users.contains_key(id));
                let user = user.ok_or_else(|| refuse(400, 50033, "Invalid Recipient(s)"))?;
                let channel = self.open_dm(user);
                Ok((200, self.channels[&channel].clone()))
            }
            ("GET", ["oauth2", "applications", "@me"] | ["applications", "@me"]) => {
                Ok((200, self.application_object()))
            }
            ("GET", ["guilds", _]) => {
                let mut guild = self.guild_object();
                if query.get("with_counts").is_some_and(|value| value == "true") {
                    guild["approximate_member_count"] = json!(self.members.len());
                    guild["approximate_presence_count"] = json!(self.members.len());
                }
                Ok((200, guild))
            }
            ("GET", ["guilds", _, "channels"]) => {
                let whole = |channel: &&Value| channel["thread_metadata"].is_null() && channel["type"] != DM;
                Ok((200, self.channels.values().filter(whole).cloned().collect()))
            }
            ("GET", ["guilds", _, "roles"]) => Ok((200, self.roles.values().cloned().collect())),
            ("GET", ["guilds", _, "members", user]) => {
                let user = snowflake("user_id", user)?;
                if !self.users.contains_key(&user) {
                    return Err(refuse(404, 10013, "Unknown User"));
                }
                Ok((200, self.full_member(user).ok_or_else(|| refuse(404, 10007, "Unknown Member"))?))
            }
            ("GET", ["channels", channel]) => Ok((200, self.channels[&self.visible(channel)?].clone())),
            ("GET", ["channels", channel, "messages"]) => self.history(self.visible(channel)?, query),
            ("POST", ["channels", channel, "messages"]) => {
                let channel = self.writable(channel)?;
                self.create_message(channel, payload, files)
            }
            ("POST", ["channels", channel, "typing"]) => {
                let channel = self.writable(channel)?;
                *self.typing.entry(channel).or_default() += 1;
                Ok((204, Value::Null))
            }
            (_, ["channels", channel, "messages", message, rest @ ..]) => {
                let channel = self.visible(channel)?;
                let message = self.message_in(channel, message)?;
                let own = self.posts[&message].value["author"]["id"] == text_id(bot);
                match (method, rest) {
                    ("GET", []) => Ok((200, self.shown(&self.posts[&message].value))),
                    ("PATCH", []) if !own => Err(refuse(403, 50005, "Cannot edit a message authored by another user")),
                    ("PATCH", []) => Ok((200, self.revise(message, payload, files)?)),
                    ("DELETE", []) if !own && self.is_dm(channel) => {
                        Err(refuse(403, 50003, "Cannot execute action on a DM channel"))
                    }
                    ("DELETE", []) if !own => Err(refuse(403, 50013, "Missing Permissions")),
                    ("DELETE", []) => {
                        self.remove_post(message);
                        Ok((204, Value::Null))
                    }
                    ("PUT" | "DELETE", ["reactions", emoji, "@me"]) => {
                        if emoji.is_ascii() && !emoji.contains(':') {
                            return Err(refuse(400, 10014, "Unknown Emoji"));
                        }
                        self.set_reaction(bot, message, emoji, method == "PUT");
                        Ok((204, Value::Null))
                    }
                    ("POST", ["threads"]) => {
                        let name = payload["name"].as_str().unwrap_or("");
                        let archive = &payload["auto_archive_duration"];
                        Ok((201, self.start_thread(channel, Some(message), THREAD, name, bot, archive)?))
                    }
                    _ => Err(refuse(404, 0, "404: Not Found")),
                }
            }
            ("POST", ["channels", channel, "threads"]) => {
                let channel = self.writable(channel)?;
                self.create_thread(channel, payload, files)
            }
            ("GET" | "PUT" | "POST", ["applications", application, rest @ ..]) => {
                if *application != text_id(FakeDiscord::APPLICATION) {
                    let message = "You are not authorized to perform this action on this application";
                    return Err(refuse(403, 20012, message));
                }
                match rest {
                    ["commands"] => self.serve_commands(method, None, payload),
                    ["guilds", guild, "commands"] if *guild == text_id(FakeDiscord::GUILD) => {
                        self.serve_commands(method, Some(FakeDiscord::GUILD), payload)
                    }
                    ["guilds", _, "commands"] => Err(refuse(403, 50001, "Missing Access")),
                    _ => Err(refuse(404, 0, "404: Not Found")),
                }
            }
            ("POST", ["interactions", id, token, "callback"]) => {
                let detailed = query.get("with_response").is_some_and(|value| value == "true");
                self.answer(snowflake("interaction_id", id)?, token, detailed, payload, files)
            }
            ("POST", ["webhooks", application, token]) => {
                let hook = self.hook(application, token)?;
                self.follow_up(hook, payload, files)
            }
            ("GET" | "PATCH" | "DELETE", ["webhooks", application, token, "messages", message]) => {
                let hook = self.hook(application, token)?;
                let message = self.hook_message(hook, message)?;
                match method {
                    "GET" => Ok((200, self.posts[&message].value.clone())),
                    "PATCH" => Ok((200, self.revise(message, payload, files)?)),
                    _ => {
                        self.remove_post(message);
                        Ok((204, Value::Null))
                    }
                }
            }
            _ => Err(refuse(404, 0, "404: Not Found")),
        }
    }

    pub(super) fn history(&self, channel: u64, query: &HashMap<String, String>) -> Reply {
        let mut form = Form::default();
        let number = |key: &str| query.get(key).map(|text| snowflake(key, text)).transpose();
        let limit = number("limit")?.unwrap_or(50);
        if !(1..=100).contains(&limit) {
            form.blame("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.".into());
        }
        form.finish()?;
        let limit = usize::try_from(limit).expect("a small number");
        let (before, after, around) = (number("before")?, number("after")?, number("around")?);
        let newest: Vec<&Value> = self.public_posts(channel).rev().collect();
        let picked: Vec<&Value> = if let Some(around) = around {
            let at = newest.iter().position(|message| id_of(message, "id") <= around).unwrap_or(newest.len());
            newest.into_iter().skip(at.saturating_sub(limit / 2)).take(limit).collect()
        } else if let Some(after) = after {
            let later: Vec<&Value> = newest.into_iter().filter(|message| id_of(message, "id") > after).collect();
            later[later.len().saturating_sub(limit)..].to_vec()
        } else {
            let earlier =
                newest.into_iter().filter(|message| before.is_none_or(|before| id_of(message, "id") < before));
            earlier.take(limit).collect()
        };
        Ok((200, picked.into_iter().map(|message| self.shown(message)).collect()))
    }

    pub(super) fn create_message(&mut self, channel: u64, payload: &Value, files: &[Upload]) -> Reply {
        if self.channels[&channel]["type"] == FORUM {
            return Err(refuse(400, 50008, "Cannot send messages in a non-text channel"));
        }
        let nonce = &payload["nonce"];
        self.nonces.retain(|(at, ..)| at.elapsed() < Duration::from_secs(300));
        let earlier = self.nonces.iter().find(|(_, place, used, _)| *place == channel && used == nonce);
        if let Some(post) = earlier.and_then(|(.., id)| self.posts.get(id)).filter(|_| payload["enforce_nonce"] == true)
        {
            return Ok((200, post.value.clone()));
        }
        let given = &payload["message_reference"];
        let mut reply_to = None;
        if !given.is_null() && given["type"].as_u64().unwrap_or(0) == 0 {
            reply_to = self.message_in(channel, given["message_id"].as_str().unwrap_or("")).ok();
            if reply_to.is_none() && given["fail_if_not_exists"] != false {
                let mut form = Form::default();
                form.blame("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message".into());
                form.finish()?;
            }
        }
        let (payload, author) = (payload.clone(), FakeDiscord::BOT_USER);
        let nonce = nonce.clone();
        let draft = Draft { channel, author, payload, files: files.to_vec(), reply_to, ..Draft::default() };
        let message = self.publish(draft)?;
        if !nonce.is_null() {
            self.nonces.push((Instant::now(), channel, nonce, id_of(&message, "id")));
        }
        Ok((200, message))
    }

    pub(super) fn create_thread(&mut self, channel: u64, payload: &Value, files: &[Upload]) -> Reply {
        let (bot, name) = (FakeDiscord::BOT_USER, payload["name"].as_str().unwrap_or(""));
        let archive = &payload["auto_archive_duration"];
        if self.channels[&channel]["type"] != FORUM {
            let kind = payload["type"].as_u64().unwrap_or(12);
            return Ok((201, self.start_thread(channel, None, kind, name, bot, archive)?));
        }
        let mut form = Form::default();
        form.text("name", &json!(name), 1, 100);
        if payload["message"].is_null() {
            form.blame("message", "BASE_TYPE_REQUIRED", "This field is required".into());
        }
        form.finish()?;
        check_message(&payload["message"], files.len()).map_err(|refusal| refusal.under("message"))?;
        let id = self.next_id();
        let mut thread = self.open_thread(channel, id, THREAD, name, bot, archive);
        let (payload, files) = (payload["message"].clone(), files.to_vec());
        let draft = Draft { id: Some(id), channel: id, author: bot, payload, files, ..Draft::default() };
        thread["message"] = self.publish(draft)?;
        Ok((201, thread))
    }

    pub(super) fn serve_commands(&mut self, method: &str, guild: Option<u64>, payload: &Value) -> Reply {
        let scope = guild.map(|guild| json!(text_id(guild)));
        let in_scope = |command: &Value| command.get("guild_id") == scope.as_ref();
        let earlier: Vec<Value> = self.commands.iter().filter(|command| in_scope(command)).cloned().collect();
        let given = match (method, payload) {
            ("GET", _) => return Ok((200, json!(earlier))),
            ("PUT", Value::Array(given)) => given.clone(),
            ("POST", Value::Object(_)) => vec![payload.clone()],
            _ => return Err(refuse(400, 50035, "Invalid Form Body")),
        };
        check_commands(&given, method == "PUT")?;
        let mut stored = Vec::new();
        let mut status = 200;
        for command in &given {
            let kind = command["type"].as_u64().unwrap_or(1);
            let old = earlier.iter().find(|old| old["name"] == command["name"] && old["type"] == kind);
            if method == "POST" && old.is_none() {
                status = 201;
            }
            let fresh = self.next_id();
            let id = old.map_or(json!(text_id(fresh)), |old| old["id"].clone());
            let mut whole = json!({"id": id, "application_id": text_id(FakeDiscord::APPLICATION), "type": kind,
                "version": text_id(fresh), "default_member_permissions": null, "description": "", "dm_permission": true,
                "contexts": null, "integration_types": [0], "nsfw": false, "name_localizations": null,
                "description_localizations": null});
            whole
                .as_object_mut()
                .expect("an object")
                .extend(without_blanks(command).as_object().cloned().unwrap_or_default());
            if let Some(guild) = &scope {
                whole["guild_id"] = guild.clone();
            }
            stored.push(whole);
        }
        let replaced = |old: &Value| {
            method == "PUT" || stored.iter().any(|new| new["name"] == old["name"] && new["type"] == old["type"])
        };
        self.commands.retain(|old| !(in_scope(old) && replaced(old)));
        self.commands.extend(stored.iter().cloned());
        let registered = self.commands.iter().filter(|command| in_scope(command));
        for (kind, most) in [(1, 100), (2, 15), (3, 15)] {
            if registered.clone().filter(|command| command["type"] == kind).count() > most {
                self.commands.retain(|command| !in_scope(command));
                self.commands.extend(earlier);
                let message = format!("Maximum number of application commands reached ({most})");
                return Err(refuse(400, 30032, &message));
            }
        }
        Ok((status, if method == "PUT" { json!(stored) } else { stored.remove(0) }))
    }

    pub(super) fn application_object(&self) -> Value {
        let mut application = json!({"id": text_id(FakeDiscord::APPLICATION), "name": "The Bot", "description": "",
            "type": null, "bot": self.users[&FakeDiscord::BOT_USER], "bot_public": true,
            "bot_require_code_grant": false,
            "verify_key": "0".repeat(64), "flags": self.application_flags(),
            "flags_new": self.application_flags().to_string(),
            "redirect_uris": [], "owner": self.users[&FakeDiscord::OWNER], "approximate_guild_count": 1,
            "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0, "eligible_oauth2_scopes": []});
        for key in ["icon", "interactions_endpoint_url", "role_connections_verification_url", "team"] {
            application[key] = Value::Null;
        }
        application
    }
}

/// What the rate-limit headers say.
pub(super) struct Rate {
    limit: u32,
    remaining: u32,
    reset_after: f64,
    bucket: String,
    refused_for: Option<f64>,
}
