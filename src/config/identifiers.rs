//! How the ids of chat systems look, so that a mixed-up one is found before anybody is addressed by it.

use std::sync::LazyLock;

use regex::Regex;

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Person,
    /// A user group of Slack's, a role of Discord's.
    Group,
}

/// The shape of one kind of id at one chat system.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The chat system, as people know it.
    pub at: &'static str,
    /// What the id is of, in its words.
    pub of: &'static str,
    /// Where it is found.
    pub hint: &'static str,
    pattern: &'static Regex,
}

impl Shape {
    pub fn fits(&self, id: &str) -> bool {
        self.pattern.is_match(id)
    }
}

macro_rules! pattern {
    ($name:ident, $pattern:literal) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).expect("constant pattern"));
    };
}

// Slack names the first letter of each kind ("Slack object types"); the rest grows with the years.
pattern!(SLACK_CHANNEL, "^[CGD][A-Z0-9]{2,}$");
pattern!(SLACK_PERSON, "^[UW][A-Z0-9]{2,}$");
pattern!(SLACK_GROUP, "^S[A-Z0-9]{2,}$");
// Discord's snowflakes are unsigned 64-bit numbers.
pattern!(SNOWFLAKE, "^[1-9][0-9]{0,19}$");
pattern!(ANYTHING, r"^\S+$");
pattern!(ADDRESS, r"^[^@\s<>,;]+@[^@\s<>,;.]+(\.[^@\s<>,;.]+)*$");

impl Kind {
    /// In a sentence about many.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Channel => "channels",
            Self::Person => "accounts",
            Self::Group => "groups",
        }
    }

    /// The chat systems that have such ids.
    pub const fn chats(self) -> &'static str {
        match self {
            Self::Channel | Self::Person => "slack, discord or console",
            Self::Group => "slack or discord",
        }
    }

    /// The shape of such an id at a chat system; `None` for a chat system that nobody knows.
    pub fn shape_in(self, chat: &str) -> Option<Shape> {
        const COPY_ID: &str =
            "in Discord: switch on Developer Mode under Advanced, right-click it, Copy ID; quote it here";
        let shape = |at, of, hint, pattern: &'static LazyLock<Regex>| {
            Some(Shape { at, of, hint, pattern: LazyLock::force(pattern) })
        };
        match (chat, self) {
            ("slack", Self::Channel) => shape(
                "Slack",
                "channel",
                "it begins with C, G or D; channel details show it at the bottom",
                &SLACK_CHANNEL,
            ),
            ("slack", Self::Person) => {
                shape("Slack", "person", "it begins with U or W; profile › ⋮ › Copy member ID", &SLACK_PERSON)
            }
            ("slack", Self::Group) => shape(
                "Slack",
                "user group",
                "it begins with S; the address of the group's page ends with it",
                &SLACK_GROUP,
            ),
            ("discord", Self::Channel) => shape("Discord", "channel", COPY_ID, &SNOWFLAKE),
            ("discord", Self::Person) => shape("Discord", "person", COPY_ID, &SNOWFLAKE),
            ("discord", Self::Group) => shape("Discord", "role", COPY_ID, &SNOWFLAKE),
            ("console", Self::Channel) => shape("the console", "channel", "use a word", &ANYTHING),
            ("console", Self::Person) => shape("the console", "person", "use a word", &ANYTHING),
            _ => None,
        }
    }
}

/// Is this shaped as an e-mail address? (Whether it is one, only a letter would show.)
pub fn is_address(text: &str) -> bool {
    ADDRESS.is_match(text)
}

/// A number of Discord's that can be an id.
pub fn is_snowflake(text: &str) -> bool {
    SNOWFLAKE.is_match(text) && text.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_have_the_shape_of_their_kind() {
        #[track_caller]
        fn check(kind: Kind, chat: &str, id: &str, expected: bool) {
            assert_eq!(kind.shape_in(chat).is_some_and(|shape| shape.fits(id)), expected, "{kind:?} {chat} {id}");
        }
        check(Kind::Channel, "slack", "C0123456789", true);
        check(Kind::Channel, "slack", "G0TEAM", true);
        check(Kind::Channel, "slack", "U0123456789", false);
        check(Kind::Channel, "slack", "#ask-trellis", false);
        check(Kind::Person, "slack", "W012A3CDE", true);
        check(Kind::Person, "slack", "u012a3cde", false);
        check(Kind::Group, "slack", "S0614TZR7", true);
        check(Kind::Group, "slack", "@ledger", false);
        check(Kind::Channel, "discord", "1234567890123456789", true);
        check(Kind::Group, "discord", "@ledger", false);
        check(Kind::Person, "discord", "ada#1234", false);
        check(Kind::Person, "console", "ada", true);
        check(Kind::Channel, "slak", "C0123456789", false);
        check(Kind::Group, "console", "x", false);
    }

    #[test]
    fn addresses_have_a_shape() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(is_address(text), expected, "{text}");
        }
        check("ada@example.org", true);
        check("ada.lovelace+desk@mail.example.org", true);
        check("ada@localhost", true);
        check("ada", false);
        check("ada@", false);
        check("@example.org", false);
        check("ada@@example.org", false);
        check("Ada <ada@example.org>", false);
        check("ada@example..org", false);
    }

    proptest! {
        #[test]
        fn every_number_is_a_snowflake_and_nothing_else(number in 1_u64.., junk in "[0-9]{0,5}[^0-9][0-9]{0,5}") {
            prop_assert!(is_snowflake(&number.to_string()));
            prop_assert!(!is_snowflake(&junk));
        }
    }
}
