//! What people press, pick, fill in and submit, and what the app's views and response URLs do.

use super::*;

pub(super) enum Place<'a> {
    Message(&'a str, &'a str),
    View(&'a str),
}

impl State {
    pub(super) fn interaction(&mut self, kind: &str, user: &str) -> Value {
        let name = self.users.get(user).expect("a known user").name.clone();
        json!({"type": kind, "token": FakeSlack::VERIFICATION_TOKEN, "api_app_id": FakeSlack::APP_ID,
            "team": {"id": FakeSlack::TEAM_ID, "domain": "fake"}, "enterprise": null, "is_enterprise_install": false,
            "user": {"id": user, "username": name, "name": name, "team_id": FakeSlack::TEAM_ID},
            "trigger_id": self.trigger(user)})
    }

    pub(super) fn block_actions(&mut self, user: &str, place: Place<'_>, wanted: &str, option: Option<&str>) -> Value {
        let mut payload = self.interaction("block_actions", user);
        let blocks = match place {
            Place::View(id) => {
                let known = self.views.iter().chain(self.homes.values()).find(|view| view["id"] == id);
                let view = known.expect("an opened or published view").clone();
                payload["container"] = json!({"type": "view", "view_id": id});
                payload["view"] = view.clone();
                view["blocks"].clone()
            }
            Place::Message(channel, ts) => {
                let hidden = self.ephemerals.iter().find(|(c, u, m)| c == channel && u == user && m["ts"] == ts);
                let message = hidden.map(|(_, _, message)| message.clone());
                let is_ephemeral = message.is_some();
                let message = message.unwrap_or_else(|| {
                    let at = self.find(channel, ts).expect("the message of the action exists");
                    self.shown(channel, at, false)
                });
                payload["container"] =
                    json!({"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": is_ephemeral});
                if message["thread_ts"].is_string() {
                    payload["container"]["thread_ts"] = message["thread_ts"].clone();
                }
                payload["channel"] = json!({"id": channel, "name": self.channels[channel].name});
                payload["state"] = json!({"values": {}});
                payload["response_url"] = json!(self.hook("block_actions", user, channel, Some(ts)));
                let blocks = message["blocks"].clone();
                if !is_ephemeral {
                    payload["message"] = message;
                }
                blocks
            }
        };
        let (block_id, element) = elements(&blocks)
            .find(|(_, element)| match option {
                None => element["type"] == "button" && (element["action_id"] == wanted || element["value"] == wanted),
                Some(_) => element["action_id"] == wanted,
            })
            .unwrap_or_else(|| panic!("nothing to use is called {wanted:?} in {blocks}"));
        let mut action = element.clone();
        action["block_id"] = block_id.clone();
        action["action_ts"] = json!(self.ts());
        if let Some(value) = option {
            let picked = option_of(element, value);
            for unsent in ["options", "option_groups"] {
                action.as_object_mut().expect("an element is an object").remove(unsent);
            }
            action["selected_option"] = picked.clone();
            if element["type"] != "overflow" && payload["state"].is_object() {
                let key = element["action_id"].as_str().expect("an action_id");
                let held = json!({key: {"type": element["type"], "selected_option": picked}});
                payload["state"]["values"][block_id.as_str().expect("a block_id")] = held;
            }
        }
        payload["actions"] = json!([action]);
        payload
    }

    // Views.

    pub(super) fn checked_view(&self, view: Option<&Value>, kind: &str) -> Answer {
        let view = view.filter(|view| view.is_object()).ok_or_else(|| missing("view"))?;
        let mut check = Check::default();
        if view["type"] != kind {
            check.complain("/view/type", format!("must be {kind}"));
        }
        if kind == "modal" {
            let labels = ["title", "submit", "close"];
            for key in labels.into_iter().filter(|key| *key == "title" || !view[key].is_null()) {
                check.text(&format!("/view/{key}"), &view[key], 24, true);
            }
            let asks =
                view["blocks"].as_array().is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "input"));
            if asks && view["submit"].is_null() {
                check.complain("/view", "missing required field: submit");
            }
        }
        check.length("/view/private_metadata", &view["private_metadata"], 3000);
        check.length("/view/callback_id", &view["callback_id"], 255);
        check.errors.extend(check_blocks(&view["blocks"], "/view/blocks", true)?);
        if !check.errors.is_empty() {
            Err(json!({"error": "invalid_arguments", "response_metadata": {"messages": marked(&check.errors)}}))?;
        }
        if view.to_string().len() > 250_000 {
            Err("view_too_large")?;
        }
        Ok(view.clone())
    }

    /// The view as Slack keeps it, with the ids of the one it replaces.
    pub(super) fn stand_in(&mut self, mut view: Value, replaced: Option<usize>) -> Value {
        let mut blocks = view["blocks"].take();
        self.name_blocks(&mut blocks);
        let id = format!("V0{:08X}", self.next());
        let mut kept = json!({"private_metadata": "", "callback_id": "", "external_id": "", "previous_view_id": null,
            "root_view_id": id, "id": id});
        if view["type"] == "modal" {
            kept["submit"] = Value::Null;
            kept["close"] = Value::Null;
            kept["clear_on_close"] = json!(false);
            kept["notify_on_close"] = json!(false);
        }
        if let Some(old) = replaced.map(|at| &self.views[at]) {
            for key in ["id", "root_view_id", "previous_view_id"] {
                kept[key] = old[key].clone();
            }
        }
        let set = view.as_object_mut().expect("a checked view is an object");
        let fields = kept.as_object_mut().expect("a literal object");
        fields.extend(std::mem::take(set).into_iter().filter(|(_, value)| !value.is_null()));
        kept["blocks"] = blocks;
        kept["team_id"] = json!(FakeSlack::TEAM_ID);
        kept["app_id"] = json!(FakeSlack::APP_ID);
        kept["app_installed_team_id"] = json!(FakeSlack::TEAM_ID);
        kept["bot_id"] = json!(FakeSlack::BOT_ID);
        kept["hash"] = json!(self.ts());
        kept["state"] = json!({"values": {}});
        kept
    }

    pub(super) fn open_view(&mut self, a: &Args, push: bool) -> Answer {
        let id = need(a, "trigger_id")?;
        let view = self.checked_view(a.get("view"), "modal")?;
        let life = self.settings.trigger_life;
        let trigger = self.triggers.get_mut(&id).ok_or("invalid_trigger_id")?;
        if trigger.used {
            Err("exchanged_trigger_id")?;
        }
        if trigger.born.elapsed() > life {
            Err("expired_trigger_id")?;
        }
        let user = trigger.user.clone();
        if push && self.open_views.get(&user).is_some_and(|stack| stack.len() >= 3) {
            Err("push_limit_reached")?;
        }
        self.triggers.get_mut(&id).expect("the trigger just found").used = true;
        if !push {
            self.open_views.remove(&user);
        }
        Ok(json!({"view": self.show_view(&user, view)}))
    }

    /// Puts a checked view on top of a person's stack.
    fn show_view(&mut self, user: &str, view: Value) -> Value {
        let mut view = self.stand_in(view, None);
        let stack = self.open_views.entry(user.into()).or_default();
        if let (Some(first), Some(last)) = (stack.first(), stack.last()) {
            view["root_view_id"] = json!(first);
            view["previous_view_id"] = json!(last);
        }
        stack.push(view["id"].as_str().expect("a view id").into());
        self.views.push(view.clone());
        view
    }

    /// Does what the acknowledgement of a submission asks; a bare one closes the view.
    pub(super) fn submitted(&mut self, user: &str, view_id: &str, payload: Option<&Value>) -> Result<(), String> {
        let at = self.views.iter().position(|view| view["id"] == view_id).ok_or("the view is gone")?;
        let answer = payload.cloned().unwrap_or_default();
        let stack = self.open_views.entry(user.into()).or_default();
        match answer["response_action"].as_str() {
            None => drop(stack.pop()),
            Some("clear") => stack.clear(),
            Some("errors") => {
                let blocks = self.views[at]["blocks"].as_array().cloned().unwrap_or_default();
                let errors =
                    answer["errors"].as_object().filter(|errors| !errors.is_empty()).ok_or("no errors were given")?;
                let is_input =
                    |id: &str| blocks.iter().any(|block| block["type"] == "input" && block["block_id"] == id);
                if let Some(unknown) = errors.keys().find(|id| !is_input(id)) {
                    Err(format!("{unknown} is not an input block of the view"))?;
                }
            }
            Some("update") => {
                let view = self.checked_view(answer.get("view"), "modal").map_err(|error| error.to_string())?;
                self.views[at] = self.stand_in(view, Some(at));
            }
            Some("push") if stack.len() >= 3 => Err("push_limit_reached")?,
            Some("push") => {
                let view = self.checked_view(answer.get("view"), "modal").map_err(|error| error.to_string())?;
                self.show_view(user, view);
            }
            Some(other) => Err(format!("unknown response_action {other}"))?,
        }
        Ok(())
    }

    // Response URLs.

    pub(super) fn post_to_hook(&mut self, id: &str, args: Result<Args, Value>) -> Reply {
        let life = self.settings.response_url_life;
        let Some(hook) = self.hooks.get_mut(id) else {
            return Reply::json(404, Err(json!("invalid_url")));
        };
        if hook.born.elapsed() > life {
            return Reply::json(404, Err(json!("expired_url")));
        }
        if hook.uses >= 5 {
            return Reply::json(404, Err(json!("used_url")));
        }
        hook.uses += 1;
        let (kind, user, channel, source) = (hook.kind, hook.user.clone(), hook.channel.clone(), hook.source.clone());
        match args.and_then(|args| self.respond(kind, &user, &channel, source.as_deref(), &args).map(|()| args)) {
            Ok(args) => {
                self.responses.push((kind.into(), json!(args)));
                Reply::json(200, Ok(json!({})))
            }
            Err(error) => Reply::json(400, Err(error)),
        }
    }

    pub(super) fn respond(
        &mut self,
        kind: &str,
        user: &str,
        channel: &str,
        source: Option<&str>,
        a: &Args,
    ) -> Result<(), Value> {
        let hidden = |state: &Self| {
            let mut all = state.ephemerals.iter();
            all.position(|(c, u, m)| c == channel && u == user && source.is_some_and(|ts| m["ts"] == ts))
        };
        if let Some(ts) = source.filter(|_| flag(a, "delete_original") && kind == "block_actions") {
            match hidden(self) {
                Some(at) => drop(self.ephemerals.remove(at)),
                None => {
                    let events = self.remove(channel, ts)?;
                    self.outbox.extend(events);
                }
            }
            return Ok(());
        }
        let content = self.content(a, 40_000)?;
        if let Some(ts) = source.filter(|_| flag(a, "replace_original") && kind == "block_actions") {
            let stamp = self.ts();
            if let Some(at) = hidden(self) {
                rewrite(&mut self.ephemerals[at].2, content, &stamp);
                return Ok(());
            }
            let at = self.find(channel, ts).ok_or("message_not_found")?;
            let before = self.messages[channel][at].clone();
            rewrite(self.message_mut(channel, at), content, &stamp);
            let events = self.changed(channel, &before, at);
            self.outbox.extend(events);
            return Ok(());
        }
        let mut message = self.new_bot_message(channel, a, content)?;
        if opt(a, "response_type").as_deref() == Some("in_channel") {
            message["subtype"] = json!("bot_message");
            self.add(channel, message);
        } else {
            self.ephemerals.push((channel.into(), user.into(), message));
        }
        Ok(())
    }
}

pub(super) fn checked_hash(a: &Args, view: &Value) -> Result<(), Value> {
    let stale = opt(a, "hash").is_some_and(|hash| view["hash"] != hash.as_str());
    if stale { Err("hash_conflict".into()) } else { Ok(()) }
}

pub(super) fn is_interactive(element: &Value) -> bool {
    let kind = element["type"].as_str().unwrap_or_default();
    element.is_object() && !["image", "mrkdwn", "plain_text"].contains(&kind) && !kind.starts_with("rich_text")
}

/// Every interactive element with its `block_id`.
pub(super) fn elements(blocks: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    blocks.as_array().into_iter().flatten().flat_map(|block| {
        let single = ["accessory", "element"].into_iter().filter_map(|key| block.get(key));
        let many = block["elements"].as_array().into_iter().flatten();
        single.chain(many).filter(|element| is_interactive(element)).map(|element| (&block["block_id"], element))
    })
}

pub(super) fn option_of(element: &Value, value: &str) -> Value {
    let grouped =
        element["option_groups"].as_array().into_iter().flatten().filter_map(|group| group["options"].as_array());
    let mut all = element["options"].as_array().into_iter().chain(grouped).flatten();
    all.find(|option| option["value"] == value).unwrap_or_else(|| panic!("no option {value:?} in {element}")).clone()
}

/// The `state.values` of a modal as its inputs are filled; an input that is required and empty cannot be submitted.
pub(super) fn filled_inputs(view: &Value, values: &[(&str, Value)]) -> Value {
    for (block_id, _) in values {
        let known = elements(&view["blocks"]).any(|(id, _)| id == block_id);
        assert!(known, "the view has no input {block_id:?}");
    }
    let mut filled = json!({});
    for block in view["blocks"].as_array().into_iter().flatten() {
        let id = block["block_id"].as_str().expect("a named block");
        for (_, element) in elements(&json!([block])) {
            let kind = element["type"].as_str().expect("an element type");
            let key = match kind {
                "button" | "overflow" => continue,
                "static_select" | "external_select" | "radio_buttons" => "selected_option",
                "checkboxes" | "multi_static_select" | "multi_external_select" => "selected_options",
                "users_select" => "selected_user",
                "multi_users_select" => "selected_users",
                "channels_select" => "selected_channel",
                "conversations_select" => "selected_conversation",
                "datepicker" => "selected_date",
                "timepicker" => "selected_time",
                _ => "value",
            };
            let given = values.iter().find(|(block_id, _)| *block_id == id).map(|(_, value)| value.clone());
            let start = element.get(key.replace("selected", "initial").replace("value", "initial_value")).cloned();
            let held = match given {
                Some(Value::Object(whole)) => Value::Object(whole),
                Some(Value::String(picked)) if key == "selected_option" => json!({key: option_of(element, &picked)}),
                Some(Value::Array(picked)) if key == "selected_options" => {
                    let picked =
                        picked.iter().map(|value| option_of(element, value.as_str().expect("an option's value")));
                    json!({key: picked.collect::<Vec<Value>>()})
                }
                Some(other) => json!({key: other}),
                None => {
                    json!({key: start.unwrap_or_else(|| if key == "selected_options" { json!([]) } else { Value::Null })})
                }
            };
            let empty = held[key].is_null() || held[key] == "" || held[key] == json!([]);
            let required = block["type"] == "input" && block["optional"] != true;
            assert!(!(empty && required && held.get(key).is_some()), "{id:?} is required and left empty");
            let action = element["action_id"].as_str().expect("a named element");
            filled[id][action] = held;
            filled[id][action]["type"] = json!(kind);
        }
    }
    filled
}
