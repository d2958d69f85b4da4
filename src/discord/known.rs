//! What the gateway told of the world: enough to place messages, and bounded.

use std::{collections::BTreeSet, sync::RwLock};

use moka::{policy::EvictionPolicy, sync::Cache};
use serde_json::Value;

use super::decode::{each, replied_to, text};

/// What a channel is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Channel,
    /// A Discord thread or forum post.
    Thread {
        parent: String,
    },
    Direct,
    /// No channel has this id: it is a message's.
    Message,
}

/// A channel as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub kind: Kind,
    pub name: String,
    /// Id of its newest message, as far as that was told.
    pub newest: u64,
}

/// What the gateway told of the world: enough to place messages, and bounded.
#[derive(Debug)]
pub struct Known {
    me: RwLock<Option<String>>,
    /// Roles that stand for the bot itself.
    own_roles: RwLock<BTreeSet<String>>,
    places: Cache<String, Place>,
    /// The first message of the conversation that a message belongs to.
    roots: Cache<String, String>,
    /// How often an emoji was put on or off a message by somebody, and how it stands.
    toggles: Cache<String, (bool, u32)>,
}

fn bounded<V: Clone + Send + Sync + 'static>(most: u64) -> Cache<String, V> {
    Cache::builder().max_capacity(most).eviction_policy(EvictionPolicy::lru()).build()
}

impl Default for Known {
    fn default() -> Self {
        Self {
            me: RwLock::default(),
            own_roles: RwLock::default(),
            places: bounded(50_000),
            roots: bounded(100_000),
            toggles: bounded(10_000),
        }
    }
}

impl Known {
    /// The bot's own id, once the gateway has said it.
    pub fn me(&self) -> Option<String> {
        self.me.read().expect("no holder of the lock panics").clone()
    }

    pub fn introduce(&self, me: &str) {
        *self.me.write().expect("no holder of the lock panics") = Some(me.to_owned());
    }

    pub(super) fn is_me(&self, id: &str) -> bool {
        self.me.read().expect("no holder of the lock panics").as_deref() == Some(id)
    }

    pub(super) fn is_own_role(&self, id: &str) -> bool {
        self.own_roles.read().expect("no holder of the lock panics").contains(id)
    }

    pub fn place(&self, channel: &str) -> Option<Place> {
        self.places.get(channel)
    }

    pub fn kind(&self, channel: &str) -> Option<Kind> {
        self.places.get(channel).map(|place| place.kind)
    }

    /// The threads of a channel, with the ids of their newest messages.
    pub fn threads_of(&self, channel: &str) -> Vec<(String, u64)> {
        let within = |place: &Place| matches!(&place.kind, Kind::Thread { parent } if parent == channel);
        self.places
            .iter()
            .filter(|(_, place)| within(place))
            .map(|(id, place)| (id.to_string(), place.newest))
            .collect()
    }

    pub fn is_root_known(&self, message: &str) -> bool {
        self.roots.contains_key(message)
    }

    pub fn remember_root(&self, message: &str, root: &str) {
        self.roots.insert(message.to_owned(), root.to_owned());
    }

    /// There is no channel of this id.
    pub fn learn_message(&self, id: &str) {
        self.places.insert(id.to_owned(), Place { kind: Kind::Message, name: String::new(), newest: 0 });
    }

    /// A channel, thread or direct message as Discord shows it.
    pub fn learn_channel(&self, channel: &Value) {
        let Some(id) = text(channel, "id") else { return };
        let kind = match channel["type"].as_u64() {
            Some(1 | 3) => Kind::Direct,
            Some(10..=12) => match text(channel, "parent_id") {
                Some(parent) => Kind::Thread { parent: parent.to_owned() },
                None => return,
            },
            _ => Kind::Channel,
        };
        let newest = text(channel, "last_message_id").and_then(|id| id.parse().ok()).unwrap_or(0);
        let newest = newest.max(self.place(id).map_or(0, |place| place.newest));
        self.places.insert(id.to_owned(), Place { kind, name: text(channel, "name").unwrap_or("").to_owned(), newest });
    }

    /// A message was written in a thread.
    pub fn saw(&self, channel: &str, message: u64) {
        if let Some(place) = self.place(channel)
            && matches!(place.kind, Kind::Thread { .. })
            && place.newest < message
        {
            self.places.insert(channel.to_owned(), Place { newest: message, ..place });
        }
    }

    pub fn forget_channel(&self, channel: &Value) {
        if let Some(id) = text(channel, "id") {
            self.places.invalidate(id);
        }
    }

    /// A role of a guild; one that is the bot's own stands for it in mentions.
    pub fn learn_role(&self, role: &Value) {
        let owner = text(&role["tags"], "bot_id");
        if let (Some(id), Some(owner)) = (text(role, "id"), owner)
            && self.is_me(owner)
        {
            self.own_roles.write().expect("no holder of the lock panics").insert(id.to_owned());
        }
    }

    pub fn learn_guild(&self, guild: &Value) {
        each(&guild["channels"]).chain(each(&guild["threads"])).for_each(|channel| self.learn_channel(channel));
        each(&guild["roles"]).for_each(|role| self.learn_role(role));
    }

    /// Our channel and, in a Discord thread, our thread.
    pub fn ours(&self, channel: &str) -> (String, Option<String>) {
        match self.kind(channel) {
            Some(Kind::Thread { parent }) => (parent, Some(channel.to_owned())),
            _ => (channel.to_owned(), None),
        }
    }

    /// The root of the conversation that `message` replies to.
    pub(super) fn root(&self, message: &Value) -> Option<String> {
        let reference = replied_to(message)?;
        let further =
            || replied_to(&message["referenced_message"]).map(|id| self.roots.get(id).unwrap_or(id.to_owned()));
        Some(self.roots.get(reference).or_else(further).unwrap_or_else(|| reference.to_owned()))
    }

    /// Which time this is that the reaction changed; a repeated delivery does not count.
    pub(super) fn toggle(&self, key: &str, added: bool) -> u32 {
        let times = match self.toggles.get(key) {
            Some((last, times)) if last == added => times,
            Some((_, times)) => times + 1,
            None => 0,
        };
        self.toggles.insert(key.to_owned(), (added, times));
        times
    }
}
