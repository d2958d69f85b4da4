-- The durable record of what came in, what was said and why.

CREATE TABLE identities (
    chat TEXT NOT NULL,
    external_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (chat, external_id)
) STRICT;

-- Every message the bot has seen or is to send, secrets already redacted. `external_id` is the chat system's own; the
-- bot's own messages have a stand-in until they are posted. `about` is the question that a message of the bot answers.
CREATE TABLE messages (
    id BLOB NOT NULL PRIMARY KEY,
    chat TEXT NOT NULL,
    channel TEXT NOT NULL,
    thread TEXT,
    external_id TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    from_bot INTEGER NOT NULL,
    private_to TEXT,
    addressed INTEGER NOT NULL,
    direct INTEGER NOT NULL,
    about BLOB,
    text TEXT NOT NULL,
    card TEXT,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    posted_at INTEGER,
    edited_at INTEGER,
    deleted_at INTEGER,
    UNIQUE (chat, channel, external_id)
) STRICT;
CREATE INDEX messages_by_thread ON messages (chat, channel, thread, created_at);
CREATE INDEX messages_about ON messages (about);
CREATE INDEX messages_by_change ON messages (chat, changed_at);

-- One row per delivery from a chat system; a second delivery of the same event finds it here and stops.
CREATE TABLE inbox (
    chat TEXT NOT NULL,
    delivery_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    message_id BLOB,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (chat, delivery_key)
) STRICT;

-- What became of each revision of a message, and which filter, permission, threshold or limit decided it.
CREATE TABLE decisions (
    message_id BLOB NOT NULL REFERENCES messages (id),
    revision INTEGER NOT NULL,
    kind TEXT,
    outcome TEXT NOT NULL,
    trace TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, revision)
) STRICT;

CREATE TABLE questions (
    id BLOB NOT NULL PRIMARY KEY,
    message_id BLOB NOT NULL REFERENCES messages (id),
    platform TEXT,
    asker TEXT NOT NULL,
    text TEXT NOT NULL,
    context TEXT,
    asked_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX questions_by_message ON questions (message_id);

-- Answers are kept when an edit replaces them: `superseded_at` says when.
CREATE TABLE answers (
    id BLOB NOT NULL PRIMARY KEY,
    question_id BLOB NOT NULL REFERENCES questions (id),
    revision INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    mode TEXT NOT NULL,
    confidence REAL NOT NULL,
    text TEXT NOT NULL,
    trace TEXT NOT NULL,
    prompt_version TEXT,
    index_version TEXT NOT NULL,
    latency_ms INTEGER NOT NULL,
    answered_at INTEGER NOT NULL,
    superseded_at INTEGER
) STRICT;
CREATE INDEX answers_by_question ON answers (question_id, answered_at);

CREATE TABLE citations (
    answer_id BLOB NOT NULL REFERENCES answers (id),
    position INTEGER NOT NULL,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    headings TEXT NOT NULL,
    url TEXT NOT NULL,
    passage_hash BLOB NOT NULL,
    PRIMARY KEY (answer_id, position)
) STRICT;

CREATE TABLE ratings (
    answer_id BLOB NOT NULL REFERENCES answers (id),
    person TEXT NOT NULL,
    helpful INTEGER NOT NULL,
    reason TEXT,
    comment TEXT,
    rated_at INTEGER NOT NULL,
    PRIMARY KEY (answer_id, person)
) STRICT;

CREATE TABLE requests (
    id BLOB NOT NULL PRIMARY KEY,
    question_id BLOB REFERENCES questions (id),
    message_id BLOB NOT NULL REFERENCES messages (id),
    platform TEXT NOT NULL,
    capability TEXT,
    requester TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    UNIQUE (message_id, requester)
) STRICT;

CREATE TABLE feedback (
    id BLOB NOT NULL PRIMARY KEY,
    message_id BLOB NOT NULL REFERENCES messages (id),
    platform TEXT,
    person TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    status TEXT NOT NULL,
    said_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX feedback_by_message ON feedback (message_id);

-- What a button stands for. The button carries the id and nothing else.
CREATE TABLE actions (
    id BLOB NOT NULL PRIMARY KEY,
    verb TEXT NOT NULL,
    subject BLOB NOT NULL,
    argument TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- Effects outside the database, and work for later. Jobs of one lane run one after another, oldest first.
CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    lane TEXT,
    dedupe TEXT UNIQUE,
    state TEXT NOT NULL,
    run_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lease_owner BLOB,
    lease_until INTEGER,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
) STRICT;
CREATE INDEX jobs_due ON jobs (state, run_at);
CREATE INDEX jobs_by_lane ON jobs (lane, state, id);

-- When each source is due again; claimed by compare-and-set, so that many replicas sync it once.
CREATE TABLE schedules (
    name TEXT NOT NULL PRIMARY KEY,
    next_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sources (
    platform TEXT NOT NULL,
    source TEXT NOT NULL,
    checkpoint TEXT,
    synced_at INTEGER,
    failed_at INTEGER,
    error TEXT,
    PRIMARY KEY (platform, source)
) STRICT;

CREATE TABLE pages (
    id BLOB NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    url TEXT NOT NULL,
    title TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    markdown TEXT NOT NULL,
    passages TEXT NOT NULL,
    reviewed_at INTEGER,
    validator TEXT,
    problem TEXT,
    synced_at INTEGER NOT NULL,
    UNIQUE (platform, source, path)
) STRICT;

-- What a model made of a text, under the text's hash and the model's.
CREATE TABLE vectors (
    hash BLOB NOT NULL,
    model TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (hash, model)
) STRICT;
