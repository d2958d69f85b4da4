-- Slack and Discord: commands with a way back, identities that belong to one person, and when a message was changed.

-- `command`: only its author saw it. `version`: when the chat system says it was last changed. `way_back`: how a command
-- can be answered until `way_back_until`. `missed`: found after the bot was away.
ALTER TABLE messages ADD COLUMN command INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN version INTEGER;
ALTER TABLE messages ADD COLUMN way_back TEXT;
ALTER TABLE messages ADD COLUMN way_back_until INTEGER;
ALTER TABLE messages ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;

-- `email` as the chat system verified it. `looked_up_at`: when the chat system was asked last.
ALTER TABLE identities ADD COLUMN email TEXT;
ALTER TABLE identities ADD COLUMN looked_up_at INTEGER;

-- Identities that a person showed to be theirs. `owner_*` names the identity (or, in chat 'files', the configured person)
-- that stands for all of them.
CREATE TABLE identity_links (
    chat TEXT NOT NULL,
    external_id TEXT NOT NULL,
    owner_chat TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    verified_by TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (chat, external_id)
) STRICT;

-- Codes that link a second identity, given out in private and good for minutes.
CREATE TABLE link_codes (
    code TEXT NOT NULL PRIMARY KEY,
    chat TEXT NOT NULL,
    external_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- Which groups or roles of a chat system an identity has.
CREATE TABLE group_members (
    chat TEXT NOT NULL,
    group_id TEXT NOT NULL,
    external_id TEXT NOT NULL,
    PRIMARY KEY (chat, group_id, external_id)
) STRICT;
CREATE INDEX group_members_by_identity ON group_members (chat, external_id);
