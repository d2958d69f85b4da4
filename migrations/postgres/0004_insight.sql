-- The product owner's side: what became of each question, gaps and themes, curated answers, instruments, the review site's
-- sessions, and digests.

-- A question's story in its own row, so that lists and numbers need no join. `person`: the asker, by the files' id where
-- they name one. `verdict`, `mode`, `latency_ms`: of the newest answer. `helpful`: what was said last of it. `outcome`: `open` until
-- `settle_at`, then `resolved` (somebody said so, and the team did not come back), `returned` (it did: `returned_as`),
-- `unresolved` (somebody said it did not help, or a request followed) or `unknown` (nobody said anything). `channel`: chat system
-- and channel, as in `slack:C0123`.
ALTER TABLE questions ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE questions ADD COLUMN team TEXT;
ALTER TABLE questions ADD COLUMN capability TEXT;
ALTER TABLE questions ADD COLUMN direct BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE questions ADD COLUMN verdict TEXT;
ALTER TABLE questions ADD COLUMN mode TEXT;
ALTER TABLE questions ADD COLUMN latency_ms BIGINT;
ALTER TABLE questions ADD COLUMN helpful BOOLEAN;
ALTER TABLE questions ADD COLUMN request_id UUID;
ALTER TABLE questions ADD COLUMN outcome TEXT NOT NULL DEFAULT 'open';
ALTER TABLE questions ADD COLUMN settle_at BIGINT;
ALTER TABLE questions ADD COLUMN returned_as UUID;
ALTER TABLE questions ADD COLUMN gap_id UUID;
ALTER TABLE questions ADD COLUMN channel TEXT;
-- Set while its place among the gaps is to be looked at.
ALTER TABLE questions ADD COLUMN gap_due_at BIGINT;

UPDATE questions SET
    person = (SELECT messages.chat || ':' || questions.asker FROM messages WHERE messages.id = questions.message_id),
    channel = (SELECT messages.chat || ':' || messages.channel FROM messages WHERE messages.id = questions.message_id),
    direct = (SELECT messages.direct FROM messages WHERE messages.id = questions.message_id),
    verdict = (SELECT answers.verdict FROM answers
        WHERE answers.question_id = questions.id AND answers.superseded_at IS NULL ORDER BY answers.answered_at DESC LIMIT 1),
    mode = (SELECT answers.mode FROM answers
        WHERE answers.question_id = questions.id AND answers.superseded_at IS NULL ORDER BY answers.answered_at DESC LIMIT 1),
    latency_ms = (SELECT answers.latency_ms FROM answers
        WHERE answers.question_id = questions.id AND answers.superseded_at IS NULL ORDER BY answers.answered_at DESC LIMIT 1),
    helpful = (SELECT ratings.helpful FROM ratings JOIN answers ON answers.id = ratings.answer_id
        WHERE answers.question_id = questions.id ORDER BY ratings.rated_at DESC LIMIT 1),
    request_id = (SELECT requests.id FROM requests WHERE requests.question_id = questions.id
        ORDER BY requests.opened_at LIMIT 1),
    team = (SELECT requests.team FROM requests WHERE requests.question_id = questions.id
        ORDER BY requests.opened_at LIMIT 1),
    capability = (SELECT requests.capability FROM requests WHERE requests.question_id = questions.id
        ORDER BY requests.opened_at LIMIT 1),
    settle_at = asked_at + 259200000000;
-- The rest was answered, as far as anybody said.
UPDATE questions SET gap_due_at = asked_at WHERE verdict = 'abstained' OR NOT helpful OR request_id IS NOT NULL;

CREATE INDEX questions_by_platform ON questions (platform, asked_at, id);
CREATE INDEX questions_by_verdict ON questions (platform, verdict, asked_at, id);
CREATE INDEX questions_by_outcome ON questions (platform, outcome, asked_at, id);
CREATE INDEX questions_by_capability ON questions (platform, capability, asked_at, id);
CREATE INDEX questions_by_team ON questions (platform, team, asked_at, id);
CREATE INDEX questions_by_channel ON questions (platform, channel, asked_at, id);
CREATE INDEX questions_by_person ON questions (person, asked_at, id);
-- Counts read only this index.
CREATE INDEX questions_by_numbers ON questions
    (platform, asked_at, verdict, outcome, helpful, latency_ms, team, capability, request_id, person);
CREATE INDEX questions_by_settling ON questions (settle_at);
CREATE INDEX questions_by_gap ON questions (gap_id, asked_at);
CREATE INDEX questions_by_request ON questions (request_id);
CREATE INDEX questions_by_gap_due ON questions (platform, gap_due_at, id);

-- `minutes`: hands-on minutes that whoever resolved it told. `work`: `operational` or `project`. What the timeline says in
-- figures: `measured_minutes` of business hours from the first claim or word to the resolution; for the promises of a first
-- response and of the resolution how each stands (`running`, `kept`, `broken`), since when, and when it is due.
-- `place_at`: set while its place in the backlog is to be looked at.
ALTER TABLE requests ADD COLUMN minutes BIGINT;
ALTER TABLE requests ADD COLUMN work TEXT NOT NULL DEFAULT 'operational';
ALTER TABLE requests ADD COLUMN measured_minutes BIGINT;
ALTER TABLE requests ADD COLUMN first_response_at BIGINT;
ALTER TABLE requests ADD COLUMN first_promise TEXT;
ALTER TABLE requests ADD COLUMN first_promise_at BIGINT;
ALTER TABLE requests ADD COLUMN first_due_at BIGINT;
ALTER TABLE requests ADD COLUMN resolution_promise TEXT;
ALTER TABLE requests ADD COLUMN resolution_promise_at BIGINT;
ALTER TABLE requests ADD COLUMN resolution_due_at BIGINT;
ALTER TABLE requests ADD COLUMN place_at BIGINT;
UPDATE requests SET place_at = opened_at;
CREATE INDEX requests_by_placing ON requests (platform, place_at, id);
CREATE INDEX requests_by_platform ON requests (platform, opened_at, id);
DROP INDEX requests_by_state;
CREATE INDEX requests_by_state ON requests (platform, state, opened_at, id);
CREATE INDEX requests_by_route ON requests (platform, route, opened_at, id);
CREATE INDEX requests_by_team ON requests (platform, team, opened_at, id);
CREATE INDEX requests_by_capability ON requests (platform, capability, opened_at, id);
CREATE INDEX requests_by_service ON requests (platform, service, opened_at, id);
CREATE INDEX requests_by_opening ON requests (platform, opened_at, route, service, team, capability, question_id);
CREATE INDEX requests_by_resolution ON requests
    (platform, resolved_at, route, team, capability, cause, work, minutes, measured_minutes);
CREATE INDEX requests_by_first_promise ON requests (platform, first_promise_at, first_promise);
CREATE INDEX requests_by_resolution_promise ON requests (platform, resolution_promise_at, resolution_promise);
CREATE INDEX requests_by_tracker ON requests (tracker);

-- Feedback. Anonymous feedback has no person, no team, no message, an id without a time in it, and the day in place of the
-- time: nothing leads back to whoever said it. `contact`: may they be written to. `effort`: 1 (little) to 7 (very much).
-- `place_at`: set while its place in the backlog is to be found.
ALTER TABLE feedback RENAME TO feedback_before;
DROP INDEX feedback_by_message;
CREATE TABLE feedback (
    id UUID NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    message_id UUID REFERENCES messages (id),
    platform TEXT NOT NULL,
    capability TEXT,
    person TEXT,
    team TEXT,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    effort BIGINT,
    contact BOOLEAN NOT NULL,
    anonymous BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    theme_id UUID,
    place_at BIGINT,
    reply TEXT,
    replied_at BIGINT,
    said_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
INSERT INTO feedback (id, number, message_id, platform, person, kind, text, contact, anonymous, status, said_at, changed_at,
    place_at)
    SELECT id,
        (SELECT COUNT(*) FROM feedback_before AS earlier
            WHERE earlier.said_at < feedback_before.said_at
                OR (earlier.said_at = feedback_before.said_at AND earlier.id <= feedback_before.id)),
        message_id, COALESCE(platform, ''), person,
        CASE kind WHEN 'feedback_complaint' THEN 'friction' WHEN 'feedback_idea' THEN 'idea' ELSE kind END,
        text, TRUE, FALSE, status, said_at, said_at,
        CASE kind WHEN 'praise' THEN NULL ELSE said_at END
    FROM feedback_before;
DROP TABLE feedback_before;
INSERT INTO counters (name, next) SELECT 'feedback', COUNT(*) + 1 FROM feedback;
CREATE UNIQUE INDEX feedback_by_message ON feedback (message_id, person);
CREATE UNIQUE INDEX feedback_by_number ON feedback (number);
CREATE INDEX feedback_by_status ON feedback (platform, status, said_at, id);
CREATE INDEX feedback_by_team ON feedback (platform, team, said_at);
CREATE INDEX feedback_by_time ON feedback (platform, said_at, id);
CREATE INDEX feedback_by_numbers ON feedback (platform, said_at, kind, status, replied_at);
CREATE INDEX feedback_by_theme ON feedback (theme_id);
CREATE INDEX feedback_by_placing ON feedback (platform, place_at, id);

-- Questions that the pages do not answer, by meaning. `central`: the question that names it. `state`: `open`, `answered`
-- (an answer was published), `exported` (a page was drafted) or `dismissed`. `pages`: the nearest pages. `draft`: the text
-- that the owner edits; none until then. `fixed_title`: a person named it. `touched`: a person worked on it, so it is not
-- joined with another by itself. `merged_into`: where its questions went (its state is then `merged`). `stale`: its name,
-- pages and numbers are to be made anew. `centre`: the sum of what its questions mean.
CREATE TABLE gaps (
    id UUID NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    platform TEXT NOT NULL,
    capability TEXT,
    title TEXT NOT NULL,
    fixed_title BOOLEAN NOT NULL,
    central UUID NOT NULL REFERENCES questions (id),
    state TEXT NOT NULL,
    pages JSONB NOT NULL,
    draft TEXT,
    centre BYTEA NOT NULL,
    questions BIGINT NOT NULL,
    teams BIGINT NOT NULL,
    minutes BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    theme_id UUID,
    merged_into UUID,
    touched BOOLEAN NOT NULL,
    stale BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX gaps_by_number ON gaps (number);
CREATE INDEX gaps_by_state ON gaps (platform, state, minutes);

-- Answers that were published on the review site. They win over what is found, as those of the files do.
CREATE TABLE curated_answers (
    id UUID NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    title TEXT NOT NULL,
    markdown TEXT NOT NULL,
    url TEXT,
    phrasings JSONB NOT NULL,
    gap_id UUID,
    author TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    review_by BIGINT NOT NULL,
    retired_at BIGINT,
    version BIGINT NOT NULL
);
CREATE INDEX curated_answers_by_platform ON curated_answers (platform, retired_at);

-- The backlog: clusters of feedback, requests and gaps. `status`: `new`, `reviewed`, `planned`, `shipped`, `declined`.
-- `reply`: the owner's sentence for everybody who asked. `effort`: the owner's guess of the work, in days. `touched` and
-- `stale`: as of gaps.
CREATE TABLE themes (
    id UUID NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    platform TEXT NOT NULL,
    capability TEXT,
    title TEXT NOT NULL,
    fixed_title BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    reply TEXT,
    decided_by TEXT,
    decided_at BIGINT,
    centre BYTEA NOT NULL,
    items BIGINT NOT NULL,
    voices BIGINT NOT NULL,
    teams BIGINT NOT NULL,
    minutes BIGINT NOT NULL,
    effort DOUBLE PRECISION,
    merged_into UUID,
    touched BOOLEAN NOT NULL,
    stale BOOLEAN NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX themes_by_number ON themes (number);
CREATE INDEX themes_by_status ON themes (platform, status, minutes);

-- What a theme is made of. `kind`: `feedback`, `request`, `gap` (one question of a gap: `subject` is the question), or
-- `voice` (a person's "+1": `subject` is its own id). `person` is absent where nobody may learn who it was.
-- `message_id`: where the person is answered. `placed_by`: `likeness`, or the id of a person who put it there.
CREATE TABLE theme_items (
    theme_id UUID NOT NULL REFERENCES themes (id),
    kind TEXT NOT NULL,
    subject UUID NOT NULL,
    person TEXT,
    team TEXT,
    message_id UUID REFERENCES messages (id),
    minutes BIGINT NOT NULL,
    effort BIGINT,
    at BIGINT NOT NULL,
    placed_by TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX theme_items_by_theme ON theme_items (theme_id, at);

-- Who was told of a decision on a theme, once for each decision and conversation. `reply_id`: the bot's message.
CREATE TABLE theme_replies (
    theme_id UUID NOT NULL REFERENCES themes (id),
    status TEXT NOT NULL,
    message_id UUID NOT NULL REFERENCES messages (id),
    person TEXT NOT NULL,
    reply_id UUID,
    asked_effort BOOLEAN NOT NULL,
    replied_at BIGINT NOT NULL,
    PRIMARY KEY (theme_id, status, message_id)
);

-- Every time somebody was asked an instrument's question, whether they answer or not: the budget counts these.
CREATE TABLE invitations (
    id UUID NOT NULL PRIMARY KEY,
    instrument TEXT NOT NULL,
    wording TEXT NOT NULL,
    platform TEXT NOT NULL,
    person TEXT NOT NULL,
    team TEXT,
    subject UUID NOT NULL,
    message_id UUID,
    reminders BIGINT NOT NULL,
    remind_at BIGINT,
    invited_at BIGINT NOT NULL,
    answered_at BIGINT,
    UNIQUE (instrument, subject, person)
);
CREATE INDEX invitations_by_person ON invitations (person, invited_at);
CREATE INDEX invitations_by_reminder ON invitations (remind_at);
ALTER TABLE instrument_responses ADD COLUMN team TEXT;
ALTER TABLE instrument_responses ADD COLUMN capability TEXT;
CREATE INDEX instrument_responses_by_time ON instrument_responses (platform, instrument, answered_at);

-- A run of a survey of the files.
CREATE TABLE survey_rounds (
    id UUID NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    survey TEXT NOT NULL,
    wording TEXT NOT NULL,
    round TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    UNIQUE (platform, survey, round)
);

-- The review site. Tokens are kept as hashes only.
CREATE TABLE login_links (
    hash BYTEA NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE TABLE sessions (
    hash BYTEA NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    name TEXT NOT NULL,
    method TEXT NOT NULL,
    csrf TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_person ON sessions (person, expires_at);
CREATE TABLE api_tokens (
    id UUID NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    person TEXT NOT NULL,
    platform TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT,
    revoked_at BIGINT
);

-- What a call of the API brought about, so that the same call made again brings about nothing more.
CREATE TABLE api_calls (
    token_id UUID NOT NULL REFERENCES api_tokens (id),
    key TEXT NOT NULL,
    body BYTEA NOT NULL,
    subject UUID NOT NULL,
    called_at BIGINT NOT NULL,
    PRIMARY KEY (token_id, key)
);

-- What was sent to owners, week by week. `facts`: the numbers as they were, with their evidence. `late`: after a missed week.
CREATE TABLE digests (
    id UUID NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    week TEXT NOT NULL,
    facts JSONB NOT NULL,
    late BOOLEAN NOT NULL,
    made_at BIGINT NOT NULL,
    sent_at BIGINT,
    UNIQUE (platform, week)
);

-- Who got a digest, by which message. `recipient`: `person`, and their id; or `channel`, the chat system and the channel's id.
CREATE TABLE digest_letters (
    digest_id UUID NOT NULL REFERENCES digests (id),
    recipient TEXT NOT NULL,
    message_id UUID NOT NULL REFERENCES messages (id),
    PRIMARY KEY (digest_id, recipient)
);

-- What a team says against its statement of a month. `told_id`: the bot's message that told the owner.
CREATE TABLE disputes (
    id UUID NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    team TEXT NOT NULL,
    month TEXT NOT NULL,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    message_id UUID,
    said_at BIGINT NOT NULL,
    reply TEXT,
    replied_by TEXT,
    told_id UUID,
    replied_at BIGINT
);
CREATE INDEX disputes_by_team ON disputes (platform, team, month);

CREATE INDEX audit_by_entry ON audit (platform, at, id);
CREATE INDEX audit_by_subject ON audit (subject, at, id);
CREATE INDEX ratings_by_time ON ratings (rated_at);
CREATE INDEX citations_by_page ON citations (source, path);

-- Where and when a page was cited, so that pages nobody needs are found without a look at every answer.
ALTER TABLE citations ADD COLUMN platform TEXT;
ALTER TABLE citations ADD COLUMN cited_at BIGINT;
UPDATE citations SET
    platform = (SELECT questions.platform FROM questions JOIN answers ON answers.question_id = questions.id
        WHERE answers.id = citations.answer_id),
    cited_at = (SELECT answers.answered_at FROM answers WHERE answers.id = citations.answer_id);
CREATE INDEX citations_by_use ON citations (platform, source, path, cited_at);

-- Words of questions, for searching.
CREATE INDEX questions_by_words ON questions USING GIN (to_tsvector('english', text));
