-- Slack and Discord: commands with a way back, identities that belong to one person, and when a message was changed.

-- `command`: only its author saw it. `version`: when the chat system says it was last changed. `way_back`: how a command
-- can be answered until `way_back_until`. `missed`: found after the bot was away.
ALTER TABLE messages ADD COLUMN command BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE messages ADD COLUMN version BIGINT;
ALTER TABLE messages ADD COLUMN way_back TEXT;
ALTER TABLE messages ADD COLUMN way_back_until BIGINT;
ALTER TABLE messages ADD COLUMN missed BOOLEAN NOT NULL DEFAULT FALSE;

-- `email` as the chat system verified it. `looked_up_at`: when the chat system was asked last.
ALTER TABLE identities ADD COLUMN email TEXT;
ALTER TABLE identities ADD COLUMN looked_up_at BIGINT;

-- Identities that a person showed to be theirs. `owner_*` names the identity (or, in chat 'files', the configured person)
-- that stands for all of them.
CREATE TABLE identity_links (
    chat TEXT NOT NULL,
    external_id TEXT NOT NULL,
    owner_chat TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    verified_by TEXT NOT NULL,
    linked_at BIGINT NOT NULL,
    PRIMARY KEY (chat, external_id)
);

-- Codes that link a second identity, given out in private and good for minutes.
CREATE TABLE link_codes (
    code TEXT NOT NULL PRIMARY KEY,
    chat TEXT NOT NULL,
    external_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Which groups or roles of a chat system an identity has.
CREATE TABLE group_members (
    chat TEXT NOT NULL,
    group_id TEXT NOT NULL,
    external_id TEXT NOT NULL,
    PRIMARY KEY (chat, group_id, external_id)
);
CREATE INDEX group_members_by_identity ON group_members (chat, external_id);
