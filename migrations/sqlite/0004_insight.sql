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
ALTER TABLE questions ADD COLUMN direct INTEGER NOT NULL DEFAULT 0;
ALTER TABLE questions ADD COLUMN verdict TEXT;
ALTER TABLE questions ADD COLUMN mode TEXT;
ALTER TABLE questions ADD COLUMN latency_ms INTEGER;
ALTER TABLE questions ADD COLUMN helpful INTEGER;
ALTER TABLE questions ADD COLUMN request_id BLOB;
ALTER TABLE questions ADD COLUMN outcome TEXT NOT NULL DEFAULT 'open';
ALTER TABLE questions ADD COLUMN settle_at INTEGER;
ALTER TABLE questions ADD COLUMN returned_as BLOB;
ALTER TABLE questions ADD COLUMN gap_id BLOB;
ALTER TABLE questions ADD COLUMN channel TEXT;
-- Set while its place among the gaps is to be looked at.
ALTER TABLE questions ADD COLUMN gap_due_at INTEGER;

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
ALTER TABLE requests ADD COLUMN minutes INTEGER;
ALTER TABLE requests ADD COLUMN work TEXT NOT NULL DEFAULT 'operational';
ALTER TABLE requests ADD COLUMN measured_minutes INTEGER;
ALTER TABLE requests ADD COLUMN first_response_at INTEGER;
ALTER TABLE requests ADD COLUMN first_promise TEXT;
ALTER TABLE requests ADD COLUMN first_promise_at INTEGER;
ALTER TABLE requests ADD COLUMN first_due_at INTEGER;
ALTER TABLE requests ADD COLUMN resolution_promise TEXT;
ALTER TABLE requests ADD COLUMN resolution_promise_at INTEGER;
ALTER TABLE requests ADD COLUMN resolution_due_at INTEGER;
ALTER TABLE requests ADD COLUMN place_at INTEGER;
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
    id BLOB NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    message_id BLOB REFERENCES messages (id),
    platform TEXT NOT NULL,
    capability TEXT,
    person TEXT,
    team TEXT,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    effort INTEGER,
    contact INTEGER NOT NULL,
    anonymous INTEGER NOT NULL,
    status TEXT NOT NULL,
    theme_id BLOB,
    place_at INTEGER,
    reply TEXT,
    replied_at INTEGER,
    said_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
INSERT INTO feedback (id, number, message_id, platform, person, kind, text, contact, anonymous, status, said_at, changed_at,
    place_at)
    SELECT id,
        (SELECT COUNT(*) FROM feedback_before AS earlier
            WHERE earlier.said_at < feedback_before.said_at
                OR (earlier.said_at = feedback_before.said_at AND earlier.id <= feedback_before.id)),
        message_id, COALESCE(platform, ''), person,
        CASE kind WHEN 'feedback_complaint' THEN 'friction' WHEN 'feedback_idea' THEN 'idea' ELSE kind END,
        text, 1, 0, status, said_at, said_at,
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
    id BLOB NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    platform TEXT NOT NULL,
    capability TEXT,
    title TEXT NOT NULL,
    fixed_title INTEGER NOT NULL,
    central BLOB NOT NULL REFERENCES questions (id),
    state TEXT NOT NULL,
    pages TEXT NOT NULL,
    draft TEXT,
    centre BLOB NOT NULL,
    questions INTEGER NOT NULL,
    teams INTEGER NOT NULL,
    minutes INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    theme_id BLOB,
    merged_into BLOB,
    touched INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX gaps_by_number ON gaps (number);
CREATE INDEX gaps_by_state ON gaps (platform, state, minutes);

-- Answers that were published on the review site. They win over what is found, as those of the files do.
CREATE TABLE curated_answers (
    id BLOB NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    title TEXT NOT NULL,
    markdown TEXT NOT NULL,
    url TEXT,
    phrasings TEXT NOT NULL,
    gap_id BLOB,
    author TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    review_by INTEGER NOT NULL,
    retired_at INTEGER,
    version INTEGER NOT NULL
) STRICT;
CREATE INDEX curated_answers_by_platform ON curated_answers (platform, retired_at);

-- The backlog: clusters of feedback, requests and gaps. `status`: `new`, `reviewed`, `planned`, `shipped`, `declined`.
-- `reply`: the owner's sentence for everybody who asked. `effort`: the owner's guess of the work, in days. `touched` and
-- `stale`: as of gaps.
CREATE TABLE themes (
    id BLOB NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    platform TEXT NOT NULL,
    capability TEXT,
    title TEXT NOT NULL,
    fixed_title INTEGER NOT NULL,
    status TEXT NOT NULL,
    reply TEXT,
    decided_by TEXT,
    decided_at INTEGER,
    centre BLOB NOT NULL,
    items INTEGER NOT NULL,
    voices INTEGER NOT NULL,
    teams INTEGER NOT NULL,
    minutes INTEGER NOT NULL,
    effort REAL,
    merged_into BLOB,
    touched INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX themes_by_number ON themes (number);
CREATE INDEX themes_by_status ON themes (platform, status, minutes);

-- What a theme is made of. `kind`: `feedback`, `request`, `gap` (one question of a gap: `subject` is the question), or
-- `voice` (a person's "+1": `subject` is its own id). `person` is absent where nobody may learn who it was.
-- `message_id`: where the person is answered. `placed_by`: `likeness`, or the id of a person who put it there.
CREATE TABLE theme_items (
    theme_id BLOB NOT NULL REFERENCES themes (id),
    kind TEXT NOT NULL,
    subject BLOB NOT NULL,
    person TEXT,
    team TEXT,
    message_id BLOB REFERENCES messages (id),
    minutes INTEGER NOT NULL,
    effort INTEGER,
    at INTEGER NOT NULL,
    placed_by TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT;
CREATE INDEX theme_items_by_theme ON theme_items (theme_id, at);

-- Who was told of a decision on a theme, once for each decision and conversation. `reply_id`: the bot's message.
CREATE TABLE theme_replies (
    theme_id BLOB NOT NULL REFERENCES themes (id),
    status TEXT NOT NULL,
    message_id BLOB NOT NULL REFERENCES messages (id),
    person TEXT NOT NULL,
    reply_id BLOB,
    asked_effort INTEGER NOT NULL,
    replied_at INTEGER NOT NULL,
    PRIMARY KEY (theme_id, status, message_id)
) STRICT;

-- Every time somebody was asked an instrument's question, whether they answer or not: the budget counts these.
CREATE TABLE invitations (
    id BLOB NOT NULL PRIMARY KEY,
    instrument TEXT NOT NULL,
    wording TEXT NOT NULL,
    platform TEXT NOT NULL,
    person TEXT NOT NULL,
    team TEXT,
    subject BLOB NOT NULL,
    message_id BLOB,
    reminders INTEGER NOT NULL,
    remind_at INTEGER,
    invited_at INTEGER NOT NULL,
    answered_at INTEGER,
    UNIQUE (instrument, subject, person)
) STRICT;
CREATE INDEX invitations_by_person ON invitations (person, invited_at);
CREATE INDEX invitations_by_reminder ON invitations (remind_at);
ALTER TABLE instrument_responses ADD COLUMN team TEXT;
ALTER TABLE instrument_responses ADD COLUMN capability TEXT;
CREATE INDEX instrument_responses_by_time ON instrument_responses (platform, instrument, answered_at);

-- A run of a survey of the files.
CREATE TABLE survey_rounds (
    id BLOB NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    survey TEXT NOT NULL,
    wording TEXT NOT NULL,
    round TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    UNIQUE (platform, survey, round)
) STRICT;

-- The review site. Tokens are kept as hashes only.
CREATE TABLE login_links (
    hash BLOB NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE TABLE sessions (
    hash BLOB NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    name TEXT NOT NULL,
    method TEXT NOT NULL,
    csrf TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_person ON sessions (person, expires_at);
CREATE TABLE api_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    person TEXT NOT NULL,
    platform TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- What a call of the API brought about, so that the same call made again brings about nothing more.
CREATE TABLE api_calls (
    token_id BLOB NOT NULL REFERENCES api_tokens (id),
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    subject BLOB NOT NULL,
    called_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, key)
) STRICT;

-- What was sent to owners, week by week. `facts`: the numbers as they were, with their evidence. `late`: after a missed week.
CREATE TABLE digests (
    id BLOB NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    week TEXT NOT NULL,
    facts TEXT NOT NULL,
    late INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    sent_at INTEGER,
    UNIQUE (platform, week)
) STRICT;

-- Who got a digest, by which message. `recipient`: `person`, and their id; or `channel`, the chat system and the channel's id.
CREATE TABLE digest_letters (
    digest_id BLOB NOT NULL REFERENCES digests (id),
    recipient TEXT NOT NULL,
    message_id BLOB NOT NULL REFERENCES messages (id),
    PRIMARY KEY (digest_id, recipient)
) STRICT;

-- What a team says against its statement of a month. `told_id`: the bot's message that told the owner.
CREATE TABLE disputes (
    id BLOB NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    team TEXT NOT NULL,
    month TEXT NOT NULL,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    message_id BLOB,
    said_at INTEGER NOT NULL,
    reply TEXT,
    replied_by TEXT,
    told_id BLOB,
    replied_at INTEGER
) STRICT;
CREATE INDEX disputes_by_team ON disputes (platform, team, month);

CREATE INDEX audit_by_entry ON audit (platform, at, id);
CREATE INDEX audit_by_subject ON audit (subject, at, id);
CREATE INDEX ratings_by_time ON ratings (rated_at);
CREATE INDEX citations_by_page ON citations (source, path);

-- Where and when a page was cited, so that pages nobody needs are found without a look at every answer.
ALTER TABLE citations ADD COLUMN platform TEXT;
ALTER TABLE citations ADD COLUMN cited_at INTEGER;
UPDATE citations SET
    platform = (SELECT questions.platform FROM questions JOIN answers ON answers.question_id = questions.id
        WHERE answers.id = citations.answer_id),
    cited_at = (SELECT answers.answered_at FROM answers WHERE answers.id = citations.answer_id);
CREATE INDEX citations_by_use ON citations (platform, source, path, cited_at);

-- Words of questions, for searching; `question_rows` numbers the questions for the index.
CREATE TABLE question_rows (
    number INTEGER PRIMARY KEY,
    question_id BLOB NOT NULL UNIQUE
) STRICT;
CREATE VIRTUAL TABLE question_words USING fts5(text, content = '', contentless_delete = 1, tokenize = 'porter unicode61');
INSERT INTO question_rows (question_id) SELECT id FROM questions ORDER BY asked_at, id;
INSERT INTO question_words (rowid, text)
    SELECT question_rows.number, questions.text FROM question_rows JOIN questions ON questions.id = question_rows.question_id;
CREATE TRIGGER questions_are_asked AFTER INSERT ON questions BEGIN
    INSERT INTO question_rows (question_id) VALUES (new.id);
    INSERT INTO question_words (rowid, text)
        SELECT number, new.text FROM question_rows WHERE question_id = new.id;
END;
CREATE TRIGGER questions_are_edited AFTER UPDATE OF text ON questions WHEN new.text <> old.text BEGIN
    DELETE FROM question_words WHERE rowid = (SELECT number FROM question_rows WHERE question_id = old.id);
    INSERT INTO question_words (rowid, text)
        SELECT number, new.text FROM question_rows WHERE question_id = new.id;
END;
