//! Block Kit's limits.

use super::*;

#[derive(Default)]
pub(super) struct Check {
    pub(super) errors: Vec<String>,
    block_ids: BTreeSet<String>,
    markdown: usize,
    view: bool,
}

pub(super) fn marked(errors: &[String]) -> Vec<String> {
    errors.iter().map(|error| format!("[ERROR] {error}")).collect()
}

/// What Slack has against these blocks.
pub(super) fn check_blocks(blocks: &Value, root: &str, view: bool) -> Result<Vec<String>, Value> {
    let list = blocks.as_array().ok_or("invalid_blocks_format")?;
    let mut check = Check { view, ..Check::default() };
    let most = if view { 100 } else { 50 };
    if list.len() > most {
        check.complain(root, format!("no more than {most} items allowed"));
    }
    for (at, block) in list.iter().enumerate() {
        check.block(&format!("{root}/{at}"), block);
    }
    Ok(check.errors)
}

impl Check {
    pub(super) fn complain(&mut self, at: &str, what: impl std::fmt::Display) {
        self.errors.push(format!("{what} [json-pointer:{at}]"));
    }

    pub(super) fn length(&mut self, at: &str, value: &Value, most: usize) {
        match value {
            Value::Null => {}
            Value::String(text) if text.chars().count() <= most => {}
            Value::String(_) => self.complain(at, format!("must be less than {} characters", most + 1)),
            _ => self.complain(at, "must be a string"),
        }
    }

    fn filled(&mut self, at: &str, object: &Value, key: &str, most: usize) {
        match object[key].as_str() {
            None => self.complain(at, format!("missing required field: {key}")),
            Some("") => self.complain(&format!("{at}/{key}"), "must be more than 0 characters"),
            Some(_) => self.length(&format!("{at}/{key}"), &object[key], most),
        }
    }

    pub(super) fn text(&mut self, at: &str, object: &Value, most: usize, plain: bool) {
        match object["type"].as_str() {
            Some("plain_text") => {}
            Some("mrkdwn") if !plain => {}
            None => self.complain(at, "missing required field: type"),
            Some(other) => self.complain(&format!("{at}/type"), format!("unsupported text type: {other}")),
        }
        self.filled(at, object, "text", most);
    }

    fn optional_text(&mut self, at: &str, object: &Value, key: &str, most: usize) {
        if !object[key].is_null() {
            self.text(&format!("{at}/{key}"), &object[key], most, true);
        }
    }

    /// A required list, with the pointer of each item.
    fn list(&mut self, at: &str, object: &Value, key: &str, most: usize) -> Vec<(String, Value)> {
        let at_list = format!("{at}/{key}");
        let Some(list) = object[key].as_array() else {
            self.complain(at, format!("missing required field: {key}"));
            return Vec::new();
        };
        if list.is_empty() {
            self.complain(&at_list, "no fewer than 1 items allowed");
        }
        if list.len() > most {
            self.complain(&at_list, format!("no more than {most} items allowed"));
        }
        list.iter().enumerate().map(|(n, item)| (format!("{at_list}/{n}"), item.clone())).collect()
    }

    fn image(&mut self, at: &str, image: &Value) {
        self.filled(at, image, "alt_text", 2000);
        if image["slack_file"].is_null() {
            self.filled(at, image, "image_url", 3000);
        }
    }

    fn options(&mut self, at: &str, element: &Value, key: &str, most: usize) {
        for (at, option) in self.list(at, element, key, most) {
            self.text(&format!("{at}/text"), &option["text"], 75, false);
            self.filled(&at, &option, "value", 150);
            self.optional_text(&at, &option, "description", 75);
        }
    }

    fn element(&mut self, at: &str, element: &Value) {
        self.length(&format!("{at}/action_id"), &element["action_id"], 255);
        self.optional_text(at, element, "placeholder", 150);
        match element["type"].as_str() {
            None => self.complain(at, "missing required field: type"),
            Some("image") => self.image(at, element),
            Some("button") => {
                self.text(&format!("{at}/text"), &element["text"], 75, true);
                self.length(&format!("{at}/value"), &element["value"], 2000);
                self.length(&format!("{at}/url"), &element["url"], 3000);
                if !matches!(element["style"].as_str(), None | Some("primary" | "danger")) {
                    self.complain(&format!("{at}/style"), "must be primary or danger");
                }
            }
            Some("static_select" | "multi_static_select") if !element["option_groups"].is_null() => {
                for (at, group) in self.list(at, element, "option_groups", 100) {
                    self.text(&format!("{at}/label"), &group["label"], 75, true);
                    self.options(&at, &group, "options", 100);
                }
            }
            Some("static_select" | "multi_static_select") => self.options(at, element, "options", 100),
            Some("overflow") => self.options(at, element, "options", 5),
            Some("checkboxes" | "radio_buttons") => self.options(at, element, "options", 10),
            Some(_) => {}
        }
    }

    fn block(&mut self, at: &str, block: &Value) {
        let Some(kind) = block["type"].as_str() else {
            return self.complain(at, "missing required field: type");
        };
        self.length(&format!("{at}/block_id"), &block["block_id"], 255);
        if let Some(id) = block["block_id"].as_str().filter(|id| !id.is_empty())
            && !self.block_ids.insert(id.into())
        {
            self.complain(&format!("{at}/block_id"), format!("block_id already exists: {id}"));
        }
        match kind {
            "section" => {
                if !block["fields"].is_null() {
                    for (at, field) in self.list(at, block, "fields", 10) {
                        self.text(&at, &field, 2000, false);
                    }
                }
                if !block["text"].is_null() {
                    self.text(&format!("{at}/text"), &block["text"], 3000, false);
                } else if block["fields"].is_null() {
                    self.complain(at, "must define either `fields` or `text`");
                }
                if !block["accessory"].is_null() {
                    self.element(&format!("{at}/accessory"), &block["accessory"]);
                }
            }
            "header" => self.text(&format!("{at}/text"), &block["text"], 150, true),
            "context" => {
                for (at, item) in self.list(at, block, "elements", 10) {
                    if item["type"] == "image" { self.image(&at, &item) } else { self.text(&at, &item, 3000, false) }
                }
            }
            "actions" => {
                let mut seen = BTreeSet::new();
                for (at, element) in self.list(at, block, "elements", 25) {
                    self.element(&at, &element);
                    let id = element["action_id"].as_str().unwrap_or_default();
                    if !id.is_empty() && !seen.insert(id.to_owned()) {
                        self.complain(&format!("{at}/action_id"), format!("action_id already exists: {id}"));
                    }
                }
            }
            "image" => {
                self.image(at, block);
                self.optional_text(at, block, "title", 2000);
            }
            "input" => {
                self.text(&format!("{at}/label"), &block["label"], 2000, true);
                self.optional_text(at, block, "hint", 2000);
                self.element(&format!("{at}/element"), &block["element"]);
            }
            "markdown" if !self.view => {
                self.filled(at, block, "text", 12_000);
                self.markdown += block["text"].as_str().unwrap_or_default().chars().count();
                if self.markdown > 12_000 {
                    self.complain(
                        &format!("{at}/text"),
                        "all markdown blocks together must be less than 12001 characters",
                    );
                }
            }
            "divider" | "rich_text" | "video" => {}
            "file" | "table" | "context_actions" | "task_card" | "plan" | "alert" | "card" | "carousel"
            | "data_table" | "container"
                if !self.view => {}
            other => self.complain(&format!("{at}/type"), format!("unsupported type: {other}")),
        }
    }
}
