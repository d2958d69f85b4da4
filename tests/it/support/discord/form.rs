//! Discord's rules for what the bot sends, and the errors for breaking them.

use super::*;

impl Refusal {
    pub(super) fn body(&self) -> Value {
        let mut body = json!({"message": self.message, "code": self.code});
        if !self.errors.is_empty() {
            body["errors"] = Value::Object(self.errors.clone());
        }
        body
    }

    /// The same refusal of a form that is one field of a larger one.
    pub(super) fn under(mut self, field: &str) -> Self {
        if !self.errors.is_empty() {
            self.errors = Map::from_iter([(field.to_owned(), Value::Object(self.errors))]);
        }
        self
    }
}

/// Collects what is wrong with a form, in the shape of Discord's `errors` object.
#[derive(Default)]
pub(super) struct Form {
    errors: Map<String, Value>,
}

impl Form {
    pub(super) fn blame(&mut self, path: &str, code: &str, message: String) {
        let mut place = &mut self.errors;
        for step in path.split('.') {
            let next = place.entry(step).or_insert_with(|| json!({}));
            place = next.as_object_mut().expect("an object of errors");
        }
        let errors = place.entry("_errors").or_insert_with(|| json!([]));
        errors.as_array_mut().expect("a list of errors").push(json!({"code": code, "message": message}));
    }

    pub(super) fn choice(&mut self, path: &str, choices: &str) {
        self.blame(path, "BASE_TYPE_CHOICES", format!("Value must be one of {{{choices}}}."));
    }

    pub(super) fn length(&mut self, path: &str, length: usize, least: usize, most: usize) {
        if length == 0 && least > 0 {
            self.blame(path, "BASE_TYPE_REQUIRED", "This field is required".into());
        } else if least > 0 && !(least..=most).contains(&length) {
            self.blame(path, "BASE_TYPE_BAD_LENGTH", format!("Must be between {least} and {most} in length."));
        } else if length > most {
            self.blame(path, "BASE_TYPE_MAX_LENGTH", format!("Must be {most} or fewer in length."));
        }
    }

    /// Checks a text's length and returns it.
    pub(super) fn text(&mut self, path: &str, value: &Value, least: usize, most: usize) -> usize {
        let length = value.as_str().map_or(0, |text| text.chars().count());
        if value.is_string() || value.is_null() {
            self.length(path, length, least, most);
        } else {
            self.blame(path, "STRING_TYPE_CONVERT", "Could not interpret as string.".into());
        }
        length
    }

    /// Checks a list's length and returns its items with their paths.
    pub(super) fn items<'a>(
        &mut self,
        path: &str,
        value: &'a Value,
        least: usize,
        most: usize,
    ) -> Vec<(String, &'a Value)> {
        self.length(path, list(value).len(), least, most);
        list(value).iter().enumerate().map(|(index, item)| (format!("{path}.{index}"), item)).collect()
    }

    pub(super) fn unique(&mut self, path: &str, value: &Value, seen: &mut HashSet<String>, code: &str, message: &str) {
        if value.as_str().is_some_and(|text| !seen.insert(text.to_owned())) {
            self.blame(path, code, message.to_owned());
        }
    }

    pub(super) fn finish(self) -> Result<(), Refusal> {
        let errors = self.errors;
        if errors.is_empty() { Ok(()) } else { Err(Refusal { errors, ..refuse(400, 50035, "Invalid Form Body") }) }
    }
}

/// Checks a message as it is to stand, with so many new files.
pub(super) fn check_message(payload: &Value, files: usize) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.text("content", &payload["content"], 0, 2000);
    let mut embedded = 0;
    for (path, embed) in form.items("embeds", &payload["embeds"], 0, 10) {
        for (key, most) in [("title", 256), ("description", 4096)] {
            embedded += form.text(&format!("{path}.{key}"), &embed[key], 0, most);
        }
        for (key, inner, most) in [("footer", "text", 2048), ("author", "name", 256)] {
            let least = usize::from(!embed[key].is_null());
            embedded += form.text(&format!("{path}.{key}.{inner}"), &embed[key][inner], least, most);
        }
        for (path, field) in form.items(&format!("{path}.fields"), &embed["fields"], 0, 25) {
            embedded += form.text(&format!("{path}.name"), &field["name"], 1, 256);
            embedded += form.text(&format!("{path}.value"), &field["value"], 1, 1024);
        }
    }
    if embedded > 6000 {
        form.blame("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000".into());
    }
    check_components(&mut form, payload);
    let nonce = &payload["nonce"];
    if !nonce.is_i64() {
        form.text("nonce", nonce, 0, 25);
    }
    let allowed = &payload["allowed_mentions"];
    for kind in ["users", "roles"] {
        form.items(&format!("allowed_mentions.{kind}"), &allowed[kind], 0, 100);
        if contains(&allowed["parse"], kind) && !list(&allowed[kind]).is_empty() {
            let message = format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive.");
            form.blame("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message);
        }
    }
    if list(&allowed["parse"]).iter().any(|kind| !["users", "roles", "everyone"].map(Value::from).contains(kind)) {
        form.choice("allowed_mentions.parse", "'users', 'roles', 'everyone'");
    }
    form.finish()?;
    let bare = ["embeds", "components", "sticker_ids", "attachments"].iter().all(|key| list(&payload[key]).is_empty());
    let wordless = payload["content"].as_str().unwrap_or("").trim().is_empty();
    if bare && wordless && files == 0 && payload["poll"].is_null() {
        return Err(refuse(400, 50006, "Cannot send an empty message"));
    }
    Ok(())
}

pub(super) fn check_components(form: &mut Form, payload: &Value) {
    if payload["flags"].as_u64().unwrap_or(0) & COMPONENTS_V2 != 0 {
        form.items("components", &payload["components"], 0, 40);
        return;
    }
    let mut seen = HashSet::new();
    for (path, row) in form.items("components", &payload["components"], 0, 5) {
        if row["type"] != 1 {
            form.choice(&format!("{path}.type"), "1");
            continue;
        }
        let holds_select = list(&row["components"]).iter().any(|part| part["type"] != 2);
        let most = if holds_select { 1 } else { 5 };
        for (path, part) in form.items(&format!("{path}.components"), &row["components"], 1, most) {
            let id_path = format!("{path}.custom_id");
            let linked = part["type"] == 2 && (part["style"] == 5 || part["style"] == 6);
            if !linked {
                form.text(&id_path, &part["custom_id"], 1, 100);
                let message = "Component custom id cannot be duplicated";
                form.unique(&id_path, &part["custom_id"], &mut seen, "COMPONENT_CUSTOM_ID_DUPLICATED", message);
            }
            match part["type"].as_u64() {
                Some(2) => check_button(form, &path, part),
                Some(3) => check_options(form, &path, part),
                Some(5..=8) => {}
                _ => form.choice(&format!("{path}.type"), "2, 3, 5, 6, 7, 8"),
            }
            if part["type"] != 2 {
                form.text(&format!("{path}.placeholder"), &part["placeholder"], 0, 150);
            }
        }
    }
}

pub(super) fn check_button(form: &mut Form, path: &str, button: &Value) {
    form.text(&format!("{path}.label"), &button["label"], 0, 80);
    if button["label"].as_str().is_none_or(str::is_empty) && button["emoji"].is_null() && button["style"] != 6 {
        form.blame(path, "BUTTON_COMPONENT_NO_LABEL", "A button needs a label or an emoji".into());
    }
    match button["style"].as_u64() {
        Some(1..=4) if !button["url"].is_null() => {
            form.blame(path, "BUTTON_COMPONENT_INVALID_URL", "Only a link button has a url".into());
        }
        Some(1..=4 | 6) => {}
        Some(5) => {
            form.text(&format!("{path}.url"), &button["url"], 1, 512);
            if !button["custom_id"].is_null() {
                let message = "A custom id and url cannot both be specified";
                form.blame(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", message.into());
            }
        }
        _ => form.choice(&format!("{path}.style"), "1, 2, 3, 4, 5, 6"),
    }
}

pub(super) fn check_options(form: &mut Form, path: &str, select: &Value) {
    let mut seen = HashSet::new();
    for (path, option) in form.items(&format!("{path}.options"), &select["options"], 1, 25) {
        form.text(&format!("{path}.label"), &option["label"], 1, 100);
        form.text(&format!("{path}.value"), &option["value"], 1, 100);
        form.text(&format!("{path}.description"), &option["description"], 0, 100);
        let message = "The specified option value is already used";
        let code = "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED";
        form.unique(&format!("{path}.value"), &option["value"], &mut seen, code, message);
    }
}

pub(super) fn check_modal(modal: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.text("data.title", &modal["title"], 1, 45);
    form.text("data.custom_id", &modal["custom_id"], 1, 100);
    let mut seen = HashSet::new();
    for (path, row) in form.items("data.components", &modal["components"], 1, 5) {
        let (path, input) = match row["type"].as_u64() {
            Some(1) => {
                let inside = format!("{path}.components");
                form.items(&inside, &row["components"], 1, 1);
                form.text(&format!("{inside}.0.label"), &row["components"][0]["label"], 1, 45);
                (format!("{inside}.0"), &row["components"][0])
            }
            Some(18) => {
                form.text(&format!("{path}.label"), &row["label"], 1, 45);
                (format!("{path}.component"), &row["component"])
            }
            _ => {
                form.choice(&format!("{path}.type"), "1, 10, 18");
                continue;
            }
        };
        form.text(&format!("{path}.custom_id"), &input["custom_id"], 1, 100);
        let message = "Component custom id cannot be duplicated";
        form.unique(&path, &input["custom_id"], &mut seen, "COMPONENT_CUSTOM_ID_DUPLICATED", message);
        form.text(&format!("{path}.placeholder"), &input["placeholder"], 0, 100);
        if input["type"] == 4 {
            form.text(&format!("{path}.value"), &input["value"], 0, 4000);
            if !matches!(input["style"].as_u64(), Some(1 | 2)) {
                form.choice(&format!("{path}.style"), "1, 2");
            }
            if input["max_length"].as_u64().is_some_and(|most| !(1..=4000).contains(&most)) {
                form.blame(&path, "NUMBER_TYPE_MAX", "int value should be between 1 and 4000.".into());
            }
        } else if row["type"] == 1 {
            form.choice(&format!("{path}.type"), "4");
        }
    }
    form.finish()
}

pub(super) fn check_choices(data: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    check_choice_list(&mut form, "data.choices", &data["choices"]);
    form.finish()
}

pub(super) fn check_choice_list(form: &mut Form, path: &str, choices: &Value) {
    for (path, choice) in form.items(path, choices, 0, 25) {
        form.text(&format!("{path}.name"), &choice["name"], 1, 100);
        if !choice["value"].is_number() {
            form.text(&format!("{path}.value"), &choice["value"], 1, 100);
        }
    }
}

pub(super) fn check_commands(commands: &[Value], listed: bool) -> Result<(), Refusal> {
    let mut form = Form::default();
    let mut seen = HashSet::new();
    for (index, command) in commands.iter().enumerate() {
        let at = |key: &str| {
            if listed { format!("{index}.{key}") } else { key.to_owned() }
        };
        let kind = command["type"].as_u64().unwrap_or(1);
        if kind == 1 {
            check_name(&mut form, &at("name"), &command["name"]);
            form.text(&at("description"), &command["description"], 1, 100);
            check_command_options(&mut form, &at("options"), &command["options"], 0);
        } else {
            form.text(&at("name"), &command["name"], 1, 32);
            form.text(&at("description"), &command["description"], 0, 0);
        }
        let key = json!(format!("{kind} {}", command["name"]));
        let message = "Application command names must be unique";
        form.unique(&at("name"), &key, &mut seen, "APPLICATION_COMMANDS_DUPLICATE_NAME", message);
        if command_size(command) > 8000 {
            let message = "Command exceeds maximum size (8000)".into();
            form.blame(&at("name"), "APPLICATION_COMMAND_TOO_LARGE", message);
        }
    }
    form.finish()
}

pub(super) fn check_name(form: &mut Form, path: &str, name: &Value) {
    form.text(path, name, 1, 32);
    let fits = |c: char| (c.is_alphanumeric() && c.to_lowercase().eq([c])) || matches!(c, '-' | '_' | '\'');
    if !name.as_str().unwrap_or("").chars().all(fits) {
        form.blame(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid".into());
    }
}

pub(super) fn check_command_options(form: &mut Form, path: &str, options: &Value, depth: usize) {
    let mut seen = HashSet::new();
    let mut optional_before = false;
    for (path, option) in form.items(path, options, 0, 25) {
        check_name(form, &format!("{path}.name"), &option["name"]);
        form.text(&format!("{path}.description"), &option["description"], 1, 100);
        let message = "Application command option names must be unique";
        let code = "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS";
        form.unique(&format!("{path}.name"), &option["name"], &mut seen, code, message);
        check_choice_list(form, &format!("{path}.choices"), &option["choices"]);
        match option["type"].as_u64() {
            Some(kind @ (1 | 2)) if depth < 2 && !(kind == 2 && depth == 1) => {
                check_command_options(form, &format!("{path}.options"), &option["options"], depth + 1);
            }
            Some(3..=11) => {
                let required = option["required"] == true;
                if required && optional_before {
                    let message = "Required options must be placed before non-required options".into();
                    form.blame(&path, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message);
                }
                optional_before |= !required;
                if option["autocomplete"] == true && !list(&option["choices"]).is_empty() {
                    let message = "Autocomplete and choices are mutually exclusive".into();
                    form.blame(&path, "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES", message);
                }
            }
            _ => form.choice(&format!("{path}.type"), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        }
    }
}

/// Characters of a command that count towards its limit of 8000.
pub(super) fn command_size(command: &Value) -> usize {
    let own = ["name", "description", "value"].iter().map(|key| command[key].as_str().unwrap_or("").chars().count());
    let inner = ["options", "choices"].iter().flat_map(|key| list(&command[key])).map(command_size);
    own.chain(inner).sum()
}
