//! The gateway: its connections, sessions and events.

use super::*;

/// Upgrades to a gateway connection.
pub(super) async fn open_gateway(
    Shared(fake): Shared<FakeDiscord>,
    uri: Uri,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    let version_fits = uri.query().unwrap_or("").split('&').any(|pair| pair == "v=10");
    upgrade.on_upgrade(move |socket| serve_gateway(fake, socket, version_fits))
}

/// Speaks the gateway protocol over one connection until either side ends it.
pub(super) async fn serve_gateway(fake: FakeDiscord, socket: WebSocket, version_fits: bool) {
    let (mut sink, mut stream) = socket.split();
    let (out, mut orders) = unbounded_channel();
    let wire = {
        let mut state = fake.lock();
        state.wires += 1;
        let hello = json!({"op": 10, "s": null, "t": null, "d": {"heartbeat_interval": state.heartbeat_ms}});
        out.send(if version_fits { Out::Send(hello) } else { Out::Close(4012) }).ok();
        state.wires
    };
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Out::Send(value)) => {
                    if sink.send(Frame::Text(value.to_string().into())).await.is_err() {
                        break;
                    }
                }
                Some(Out::Close(code)) => {
                    fake.lock().leave(wire);
                    let frame = CloseFrame { code, reason: "".into() };
                    sink.send(Frame::Close(Some(frame))).await.ok();
                    let farewell = async { while let Some(Ok(_)) = stream.next().await {} };
                    tokio::time::timeout(Duration::from_secs(1), farewell).await.ok();
                    break;
                }
                Some(Out::Drop) | None => break,
            },
            heard = stream.next() => match heard {
                Some(Ok(Frame::Text(text))) => {
                    if let Err(code) = fake.lock().hear(wire, &out, &text) {
                        out.send(Out::Close(code)).ok();
                    }
                }
                Some(Ok(Frame::Close(Some(frame)))) if matches!(frame.code, 1000 | 1001) => {
                    fake.lock().sessions.retain(|session| session.wire.as_ref().is_none_or(|(id, _)| *id != wire));
                }
                Some(Ok(Frame::Binary(_))) => { out.send(Out::Close(4002)).ok(); }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    fake.lock().leave(wire);
}

impl State {
    /// Tells every session about a message, unless it is ephemeral.
    pub(super) fn announce(&mut self, event: &str, id: u64) {
        let post = &self.posts[&id];
        if post.only_for.is_some() {
            return;
        }
        let (channel, mut data) = (post.channel, post.value.clone());
        self.add_guild(&mut data, channel);
        let author = self.members.get(&id_of(&data["author"], "id"));
        if let (false, Some(member)) = (self.is_dm(channel), author) {
            data["member"] = member.clone();
        }
        self.dispatch(event, data);
    }

    pub(super) fn dispatch(&mut self, name: &str, data: Value) {
        let place = if name.starts_with("THREAD_") { "id" } else { "channel_id" };
        if name != "INTERACTION_CREATE" && self.granted(id_of(&data, place)) & VIEW_CHANNEL == 0 {
            return;
        }
        for session in &mut self.sessions {
            session.deliver(name, data.clone());
        }
        self.last_event = Some((name.to_owned(), data));
    }

    pub(super) fn tell_all(&self, order: impl Fn() -> Out) {
        for (_, out) in self.sessions.iter().filter_map(|session| session.wire.as_ref()) {
            out.send(order()).ok();
        }
    }

    pub(super) fn leave(&mut self, wire: u64) {
        for session in &mut self.sessions {
            session.wire.take_if(|(id, _)| *id == wire);
        }
    }

    /// Handles what the bot sent over the gateway; an error is the code to close with.
    pub(super) fn hear(&mut self, wire: u64, out: &UnboundedSender<Out>, text: &str) -> Result<(), u16> {
        let message: Value = serde_json::from_str(text).map_err(|_| 4002_u16)?;
        if text.len() > 4096 {
            return Err(4002);
        }
        let on_this_wire = |session: &Session| session.wire.as_ref().is_some_and(|(id, _)| *id == wire);
        let identified = self.sessions.iter().any(on_this_wire);
        let data = &message["d"];
        match message["op"].as_u64() {
            Some(1) if self.heartbeats_muted => Ok(()),
            Some(1) => {
                out.send(Out::Send(json!({"op": 11}))).ok();
                Ok(())
            }
            Some(2 | 6) if identified => Err(4005),
            Some(2 | 6) if bare_token(&data["token"]) != FakeDiscord::TOKEN => Err(4004),
            Some(2) => self.identify(wire, out, data),
            Some(6) => self.resume(wire, out, data),
            Some(3 | 4 | 8 | 31) if !identified => Err(4003),
            Some(3 | 4 | 8 | 31) => Ok(()),
            Some(_) => Err(4001),
            None => Err(4002),
        }
    }

    pub(super) fn identify(&mut self, wire: u64, out: &UnboundedSender<Out>, data: &Value) -> Result<(), u16> {
        let intents = data["intents"].as_u64().filter(|bits| bits & !ALL_INTENTS == 0).ok_or(4013_u16)?;
        if !data["properties"].is_object() {
            return Err(4002);
        }
        let (shard, of) = (data["shard"][0].as_u64().unwrap_or(0), data["shard"][1].as_u64().unwrap_or(1));
        if shard >= of {
            return Err(4010);
        }
        self.intents = intents;
        if intents & PRIVILEGED != 0 && !self.privileged_allowed {
            return Err(4014);
        }
        self.identifies += 1;
        let id = format!("{:032x}", self.next_id());
        let ready = json!({"v": 10, "user": self.users[&FakeDiscord::BOT_USER], "session_id": id, "shard": [shard, of],
            "guilds": [{"id": text_id(FakeDiscord::GUILD), "unavailable": true}], "private_channels": [],
            "resume_gateway_url": gateway_url(self.port),
            "application": {"id": text_id(FakeDiscord::APPLICATION), "flags": self.application_flags()}});
        let guild = self.guild_create(intents);
        let mut session = Session { id, intents, sequence: 0, sent: Vec::new(), wire: Some((wire, out.clone())) };
        session.deliver("READY", ready);
        session.deliver("GUILD_CREATE", guild);
        self.sessions.push(session);
        Ok(())
    }

    pub(super) fn resume(&mut self, wire: u64, out: &UnboundedSender<Out>, data: &Value) -> Result<(), u16> {
        let seen = data["seq"].as_u64().ok_or(4002_u16)?;
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == data["session_id"]) else {
            out.send(Out::Send(json!({"op": 9, "d": false}))).ok();
            return Ok(());
        };
        if seen > session.sequence {
            return Err(4007);
        }
        if let Some((_, older)) = session.wire.replace((wire, out.clone())) {
            older.send(Out::Drop).ok();
        }
        for missed in session.sent.iter().filter(|frame| frame["s"].as_u64() > Some(seen)) {
            out.send(Out::Send(missed.clone())).ok();
        }
        session.deliver("RESUMED", json!({}));
        self.resumes += 1;
        Ok(())
    }

    pub(super) fn guild_create(&self, intents: u64) -> Value {
        let mut guild = self.guild_object();
        let everybody = intents & GUILD_PRESENCES != 0;
        let listed = self.members.keys().filter(|id| everybody || **id == FakeDiscord::BOT_USER);
        guild["members"] = listed.filter_map(|id| self.full_member(*id)).collect();
        let seen = self.channels.iter().filter(|(id, _)| !self.is_dm(**id) && self.granted(**id) & VIEW_CHANNEL != 0);
        let (threads, channels): (Vec<Value>, Vec<Value>) =
            seen.map(|(_, channel)| channel.clone()).partition(|channel| !channel["thread_metadata"].is_null());
        (guild["channels"], guild["threads"]) = (json!(channels), json!(threads));
        guild["joined_at"] = json!(iso(EPOCH_MS));
        guild["member_count"] = json!(self.members.len());
        (guild["large"], guild["unavailable"]) = (json!(false), json!(false));
        for none in ["voice_states", "presences", "stage_instances", "guild_scheduled_events", "soundboard_sounds"] {
            guild[none] = json!([]);
        }
        guild
    }

    pub(super) fn guild_object(&self) -> Value {
        let mut guild = json!({"id": text_id(FakeDiscord::GUILD), "name": "The Guild",
            "owner_id": text_id(FakeDiscord::OWNER),
            "afk_timeout": 300, "default_message_notifications": 1, "emojis": [], "explicit_content_filter": 0,
            "features": [], "max_members": 500_000, "max_stage_video_channel_users": 50, "max_video_channel_users": 25,
            "mfa_level": 0, "nsfw": false, "nsfw_level": 0, "preferred_locale": "en-US",
            "premium_progress_bar_enabled": false, "premium_subscription_count": 0, "premium_tier": 0,
            "region": "deprecated", "roles": self.roles.values().collect::<Vec<_>>(), "stickers": [],
            "system_channel_flags": 0, "verification_level": 0, "widget_enabled": false});
        let unset = "afk_channel_id application_id banner description discovery_splash home_header icon incidents_data \
            max_presences public_updates_channel_id rules_channel_id safety_alerts_channel_id splash system_channel_id \
            vanity_url_code widget_channel_id";
        for key in unset.split(' ').filter(|key| !key.is_empty()) {
            guild[key] = Value::Null;
        }
        guild
    }

    pub(super) fn application_flags(&self) -> u64 {
        if self.privileged_allowed { 1 << 13 | 1 << 15 | 1 << 19 } else { 0 }
    }
}

impl Session {
    /// Numbers, keeps and sends one event, if the session's intents ask for it.
    pub(super) fn deliver(&mut self, name: &str, mut data: Value) {
        let in_guild = !data["guild_id"].is_null();
        let needed = needed_intents(name, in_guild);
        if needed != 0 && needed & self.intents == 0 {
            return;
        }
        if matches!(name, "MESSAGE_CREATE" | "MESSAGE_UPDATE") && self.intents & MESSAGE_CONTENT == 0 {
            hide_content(&mut data, in_guild);
        }
        self.sequence += 1;
        let frame = json!({"op": 0, "s": self.sequence, "t": name, "d": data});
        if let Some((_, out)) = &self.wire {
            out.send(Out::Send(frame.clone())).ok();
        }
        self.sent.push(frame);
    }
}

/// Empties what a bot without the Message Content intent may not read.
pub(super) fn hide_content(message: &mut Value, in_guild: bool) {
    if message["referenced_message"].is_object() {
        hide_content(&mut message["referenced_message"], in_guild);
    }
    let bot = text_id(FakeDiscord::BOT_USER);
    let concerns_bot =
        message["author"]["id"] == bot || list(&message["mentions"]).iter().any(|user| user["id"] == bot);
    if in_guild && !concerns_bot {
        message["content"] = json!("");
        for key in ["embeds", "attachments", "components"] {
            message[key] = json!([]);
        }
    }
}

/// Intents of which a session needs one to get the event; 0 when it needs none.
pub(super) fn needed_intents(name: &str, in_guild: bool) -> u64 {
    let by_place = |guild: u64, direct: u64| 1 << if in_guild { guild } else { direct };
    match name {
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" | "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => by_place(9, 12),
        _ if name.starts_with("MESSAGE_REACTION_") => by_place(10, 13),
        "TYPING_START" => by_place(11, 14),
        "PRESENCE_UPDATE" => GUILD_PRESENCES,
        _ if name.starts_with("GUILD_MEMBER_") => GUILD_MEMBERS,
        "GUILD_CREATE" | "GUILD_UPDATE" | "GUILD_DELETE" => GUILDS,
        _ if ["GUILD_ROLE_", "CHANNEL_", "THREAD_"].iter().any(|start| name.starts_with(start)) => GUILDS,
        _ => 0,
    }
}
