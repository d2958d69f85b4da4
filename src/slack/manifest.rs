//! The app to create at Slack: exactly the scopes and events that are in use.

use serde_json::{Value as Json, json};

use super::decode::{
    MESSAGE_FEEDBACK, MESSAGE_REQUEST, MESSAGE_SHORTCUT, SHORTCUT_ASK, SHORTCUT_FEEDBACK, SHORTCUT_REQUEST,
};
use crate::config::{Server, server::SlackTransport};

/// What the bot token must be allowed, each with what it is for.
pub const SCOPES: [&str; 20] = [
    "app_mentions:read", // hears when it is mentioned
    "assistant:write",   // the assistant pane: prompts to begin with
    "channels:history",  // reads channels it is in, and what it missed there
    "channels:read",     // `check`: is it in the channel?
    "chat:write",        // answers
    "chat:write.public", // shares an answer in a public channel that it was not invited to
    "commands",          // the command and the shortcuts
    "files:read",        // brings files to the other side of a request
    "files:write",       // and posts them there
    "groups:history",    // the same for private channels
    "groups:read",
    "im:history", // direct messages
    "im:read",
    "im:write", // opens a direct message
    "mpim:history",
    "mpim:read",
    "reactions:read",   // a thumb on an answer is a rating
    "usergroups:read",  // teams that are user groups
    "users:read",       // names
    "users:read.email", // links a person's identities
];

/// Events that the bot listens to.
pub const EVENTS: [&str; 10] = [
    "app_home_opened",
    "app_mention",
    "assistant_thread_started",
    "member_joined_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
];

/// The manifest to paste at api.slack.com/apps › Create New App › From a manifest.
pub fn manifest(server: &Server) -> Json {
    let settings = &server.slack;
    let socket = settings.transport == SlackTransport::Socket;
    let base = server.public_url();
    let command = format!("/{}", settings.command.trim_start_matches('/'));
    let mut slash = json!({
        "command": command,
        "description": "Ask the platform, or tell its owner what you think",
        "usage_hint": "ask how do I …? | help | why | about | feedback | link",
        "should_escape": true,
    });
    let mut events = json!({ "bot_events": EVENTS });
    let mut interactivity = json!({ "is_enabled": true });
    if !socket {
        slash["url"] = json!(format!("{base}/slack/commands"));
        events["request_url"] = json!(format!("{base}/slack/events"));
        interactivity["request_url"] = json!(format!("{base}/slack/interactions"));
    }
    json!({
        "_metadata": { "major_version": 1, "minor_version": 1 },
        "display_information": {
            "name": "Stationmaster",
            "description": "The front desk of your internal platform",
            "background_color": "#1d3557",
        },
        "features": {
            "app_home": { "home_tab_enabled": true, "messages_tab_enabled": true, "messages_tab_read_only_enabled": false },
            "bot_user": { "display_name": "stationmaster", "always_online": true },
            "assistant_view": { "assistant_description": "Ask about your internal platform" },
            "shortcuts": [
                { "name": "Ask the platform", "type": "global", "callback_id": SHORTCUT_ASK, "description": "What the front desk can do" },
                { "name": "Platform feedback", "type": "global", "callback_id": SHORTCUT_FEEDBACK, "description": "Tell the platform's owner" },
                { "name": "Open a request", "type": "global", "callback_id": SHORTCUT_REQUEST, "description": "Ask the platform's people for something" },
                { "name": "Ask the platform", "type": "message", "callback_id": MESSAGE_SHORTCUT, "description": "Answer this message, for you alone" },
                { "name": "Open a request", "type": "message", "callback_id": MESSAGE_REQUEST, "description": "Pass this message to the platform's people" },
                { "name": "Platform feedback", "type": "message", "callback_id": MESSAGE_FEEDBACK, "description": "Pass this message to the platform's owner" },
            ],
            "slash_commands": [slash],
        },
        "oauth_config": { "scopes": { "bot": SCOPES } },
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": false,
            "socket_mode_enabled": socket,
            "token_rotation_enabled": false,
        },
    })
}
