-- The durable record of what came in, what was said and why.

CREATE TABLE identities (
    chat TEXT NOT NULL,
    external_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (chat, external_id)
);

-- Every message the bot has seen or is to send, secrets already redacted. `external_id` is the chat system's own; the
-- bot's own messages have a stand-in until they are posted. `about` is the question that a message of the bot answers.
CREATE TABLE messages (
    id UUID NOT NULL PRIMARY KEY,
    chat TEXT NOT NULL,
    channel TEXT NOT NULL,
    thread TEXT,
    external_id TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    from_bot BOOLEAN NOT NULL,
    private_to TEXT,
    addressed BOOLEAN NOT NULL,
    direct BOOLEAN NOT NULL,
    about UUID,
    text TEXT NOT NULL,
    card JSONB,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    posted_at BIGINT,
    edited_at BIGINT,
    deleted_at BIGINT,
    UNIQUE (chat, channel, external_id)
);
CREATE INDEX messages_by_thread ON messages (chat, channel, thread, created_at);
CREATE INDEX messages_about ON messages (about);
CREATE INDEX messages_by_change ON messages (chat, changed_at);

-- One row per delivery from a chat system; a second delivery of the same event finds it here and stops.
CREATE TABLE inbox (
    chat TEXT NOT NULL,
    delivery_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    message_id UUID,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (chat, delivery_key)
);

-- What became of each revision of a message, and which filter, permission, threshold or limit decided it.
CREATE TABLE decisions (
    message_id UUID NOT NULL REFERENCES messages (id),
    revision BIGINT NOT NULL,
    kind TEXT,
    outcome TEXT NOT NULL,
    trace JSONB NOT NULL,
    decided_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, revision)
);

CREATE TABLE questions (
    id UUID NOT NULL PRIMARY KEY,
    message_id UUID NOT NULL REFERENCES messages (id),
    platform TEXT,
    asker TEXT NOT NULL,
    text TEXT NOT NULL,
    context TEXT,
    asked_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX questions_by_message ON questions (message_id);

-- Answers are kept when an edit replaces them: `superseded_at` says when.
CREATE TABLE answers (
    id UUID NOT NULL PRIMARY KEY,
    question_id UUID NOT NULL REFERENCES questions (id),
    revision BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    mode TEXT NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    text TEXT NOT NULL,
    trace JSONB NOT NULL,
    prompt_version TEXT,
    index_version TEXT NOT NULL,
    latency_ms BIGINT NOT NULL,
    answered_at BIGINT NOT NULL,
    superseded_at BIGINT
);
CREATE INDEX answers_by_question ON answers (question_id, answered_at);

CREATE TABLE citations (
    answer_id UUID NOT NULL REFERENCES answers (id),
    position BIGINT NOT NULL,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    headings JSONB NOT NULL,
    url TEXT NOT NULL,
    passage_hash BYTEA NOT NULL,
    PRIMARY KEY (answer_id, position)
);

CREATE TABLE ratings (
    answer_id UUID NOT NULL REFERENCES answers (id),
    person TEXT NOT NULL,
    helpful BOOLEAN NOT NULL,
    reason TEXT,
    comment TEXT,
    rated_at BIGINT NOT NULL,
    PRIMARY KEY (answer_id, person)
);

CREATE TABLE requests (
    id UUID NOT NULL PRIMARY KEY,
    question_id UUID REFERENCES questions (id),
    message_id UUID NOT NULL REFERENCES messages (id),
    platform TEXT NOT NULL,
    capability TEXT,
    requester TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    UNIQUE (message_id, requester)
);

CREATE TABLE feedback (
    id UUID NOT NULL PRIMARY KEY,
    message_id UUID NOT NULL REFERENCES messages (id),
    platform TEXT,
    person TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    status TEXT NOT NULL,
    said_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX feedback_by_message ON feedback (message_id);

-- What a button stands for. The button carries the id and nothing else.
CREATE TABLE actions (
    id UUID NOT NULL PRIMARY KEY,
    verb TEXT NOT NULL,
    subject UUID NOT NULL,
    argument TEXT,
    created_at BIGINT NOT NULL
);

-- Effects outside the database, and work for later. Jobs of one lane run one after another, oldest first.
CREATE TABLE jobs (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    payload JSONB NOT NULL,
    lane TEXT,
    dedupe TEXT UNIQUE,
    state TEXT NOT NULL,
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    lease_owner UUID,
    lease_until BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    settled_at BIGINT
);
CREATE INDEX jobs_due ON jobs (state, run_at);
CREATE INDEX jobs_by_lane ON jobs (lane, state, id);

-- When each source is due again; claimed by compare-and-set, so that many replicas sync it once.
CREATE TABLE schedules (
    name TEXT NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL
);

CREATE TABLE sources (
    platform TEXT NOT NULL,
    source TEXT NOT NULL,
    checkpoint JSONB,
    synced_at BIGINT,
    failed_at BIGINT,
    error TEXT,
    PRIMARY KEY (platform, source)
);

CREATE TABLE pages (
    id UUID NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    url TEXT NOT NULL,
    title TEXT NOT NULL,
    content_hash BYTEA NOT NULL,
    markdown TEXT NOT NULL,
    passages JSONB NOT NULL,
    reviewed_at BIGINT,
    validator TEXT,
    problem TEXT,
    synced_at BIGINT NOT NULL,
    UNIQUE (platform, source, path)
);

-- What a model made of a text, under the text's hash and the model's.
CREATE TABLE vectors (
    hash BYTEA NOT NULL,
    model TEXT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (hash, model)
);
