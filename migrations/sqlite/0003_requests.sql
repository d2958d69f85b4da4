-- Requests: from the conversation to the people of a route, with their timeline, threads, approvals and known issues.

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;

-- `number` is what people call it. `routed_by` and `routed_why` say how the route was found. `private`: only the requester
-- and the people of the route see it. `version` counts changes: whoever changes a request names the version they saw.
-- `next_check_at`: when a promise, a reminder or a closing is to be looked at.
ALTER TABLE requests ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN kind TEXT NOT NULL DEFAULT 'support';
ALTER TABLE requests ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN route TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN routed_by TEXT NOT NULL DEFAULT 'default';
ALTER TABLE requests ADD COLUMN routed_why TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE requests ADD COLUMN assignee TEXT;
ALTER TABLE requests ADD COLUMN team TEXT;
ALTER TABLE requests ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN service TEXT;
ALTER TABLE requests ADD COLUMN form TEXT;
ALTER TABLE requests ADD COLUMN approval TEXT;
ALTER TABLE requests ADD COLUMN approval_until INTEGER;
ALTER TABLE requests ADD COLUMN cause TEXT;
ALTER TABLE requests ADD COLUMN resolution TEXT;
ALTER TABLE requests ADD COLUMN merged_into BLOB;
ALTER TABLE requests ADD COLUMN split_from BLOB;
ALTER TABLE requests ADD COLUMN outcome TEXT;
ALTER TABLE requests ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN reminded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN waiting_since INTEGER;
ALTER TABLE requests ADD COLUMN resolved_at INTEGER;
ALTER TABLE requests ADD COLUMN closed_at INTEGER;
ALTER TABLE requests ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE requests ADD COLUMN next_check_at INTEGER;
ALTER TABLE requests ADD COLUMN tracker TEXT;

UPDATE requests SET
    number = (SELECT COUNT(*) FROM requests AS earlier
        WHERE earlier.opened_at < requests.opened_at
            OR (earlier.opened_at = requests.opened_at AND earlier.id <= requests.id)),
    title = SUBSTR(text, 1, 80),
    changed_at = opened_at;
INSERT INTO counters (name, next) SELECT 'request', COUNT(*) + 1 FROM requests;
CREATE UNIQUE INDEX requests_by_number ON requests (number);
CREATE INDEX requests_by_state ON requests (platform, state, opened_at);
CREATE INDEX requests_by_requester ON requests (requester, opened_at);
CREATE INDEX requests_by_check ON requests (next_check_at);

-- The timeline. `internal`: not for the requester's eyes.
CREATE TABLE request_events (
    id BLOB NOT NULL PRIMARY KEY,
    request_id BLOB NOT NULL REFERENCES requests (id),
    at INTEGER NOT NULL,
    actor TEXT,
    actor_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    detail TEXT NOT NULL,
    internal INTEGER NOT NULL
) STRICT;
CREATE INDEX request_events_by_request ON request_events (request_id, at, id);

-- Conversations a request lives in: the message that began each, what it is for the request (`requester`, `triage`), and the
-- bot's card that shows the request there.
CREATE TABLE request_threads (
    request_id BLOB NOT NULL REFERENCES requests (id),
    message_id BLOB NOT NULL REFERENCES messages (id),
    role TEXT NOT NULL,
    card_id BLOB,
    PRIMARY KEY (request_id, message_id, role)
) STRICT;
CREATE INDEX request_threads_by_message ON request_threads (message_id);

-- What was said in one thread of a request, and its copy in the other.
CREATE TABLE request_mirrors (
    source_id BLOB NOT NULL REFERENCES messages (id),
    copy_id BLOB NOT NULL REFERENCES messages (id),
    request_id BLOB NOT NULL REFERENCES requests (id),
    PRIMARY KEY (source_id, copy_id)
) STRICT;

-- Who else wants to know how a request ends, and the message under which they are told.
CREATE TABLE request_followers (
    request_id BLOB NOT NULL REFERENCES requests (id),
    person TEXT NOT NULL,
    message_id BLOB NOT NULL REFERENCES messages (id),
    since INTEGER NOT NULL,
    PRIMARY KEY (request_id, person)
) STRICT;

-- Forms that were begun: their values so far, and what became of them.
CREATE TABLE drafts (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    message_id BLOB NOT NULL,
    question_id BLOB,
    platform TEXT NOT NULL,
    service TEXT,
    fields TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- What people taught the router: the route that a request turned out to belong to.
CREATE TABLE route_examples (
    request_id BLOB NOT NULL PRIMARY KEY REFERENCES requests (id),
    platform TEXT NOT NULL,
    route TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    taught_at INTEGER NOT NULL
) STRICT;
CREATE INDEX route_examples_by_platform ON route_examples (platform, taught_at);

CREATE TABLE approvals (
    request_id BLOB NOT NULL REFERENCES requests (id),
    person TEXT NOT NULL,
    approved INTEGER NOT NULL,
    reason TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    PRIMARY KEY (request_id, person)
) STRICT;

-- What a service's fulfilment is doing elsewhere. `reference` is the other system's name for it.
CREATE TABLE fulfilments (
    request_id BLOB NOT NULL PRIMARY KEY REFERENCES requests (id),
    state TEXT NOT NULL,
    reference TEXT,
    url TEXT,
    message TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- Known issues: what support says is broken, for everybody who asks.
CREATE TABLE incidents (
    id BLOB NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    request_id BLOB REFERENCES requests (id),
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_by TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT;
CREATE INDEX incidents_by_state ON incidents (platform, state);
CREATE TABLE incident_updates (
    id BLOB NOT NULL PRIMARY KEY,
    incident_id BLOB NOT NULL REFERENCES incidents (id),
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    state TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX incident_updates_by_incident ON incident_updates (incident_id, at);
CREATE TABLE incident_followers (
    incident_id BLOB NOT NULL REFERENCES incidents (id),
    person TEXT NOT NULL,
    message_id BLOB NOT NULL REFERENCES messages (id),
    since INTEGER NOT NULL,
    PRIMARY KEY (incident_id, person)
) STRICT;

-- Answers to an instrument of fixed wording; `wording` names its version.
CREATE TABLE instrument_responses (
    id BLOB NOT NULL PRIMARY KEY,
    instrument TEXT NOT NULL,
    wording TEXT NOT NULL,
    platform TEXT NOT NULL,
    person TEXT NOT NULL,
    subject BLOB NOT NULL,
    score INTEGER NOT NULL,
    comment TEXT,
    answered_at INTEGER NOT NULL,
    UNIQUE (instrument, subject, person)
) STRICT;

-- Who did what to what.
CREATE TABLE audit (
    id BLOB NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    verb TEXT NOT NULL,
    platform TEXT NOT NULL,
    subject BLOB NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (platform, at);

-- Files that hang on a message, as its chat system names them.
ALTER TABLE messages ADD COLUMN files TEXT;
CREATE INDEX actions_by_subject ON actions (subject, verb);
