-- Language models: what was asked of them and what it cost, whom that was told, and answers that may be given again.

-- One row for each time a model was asked, whatever came of it. `purpose`: the prompt's name; `prompt`: hash of its file.
-- `outcome`: `said`, or why not. `cost`: in millionths of the configured currency.
CREATE TABLE model_calls (
    id BLOB NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    -- Chat system and channel, as in `slack:C0123`.
    channel TEXT,
    team TEXT,
    purpose TEXT NOT NULL,
    prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    called_at INTEGER NOT NULL
) STRICT;
CREATE INDEX model_calls_by_platform ON model_calls (platform, called_at, input_tokens, output_tokens, cost);

-- `level`: `near` (most of the day's cap is spent) or `spent`. Each is told once a day.
CREATE TABLE model_warnings (
    platform TEXT NOT NULL,
    day TEXT NOT NULL,
    level TEXT NOT NULL,
    warned_at INTEGER NOT NULL,
    PRIMARY KEY (platform, day, level)
) STRICT;

-- What a model said for a question. `basis`: hash of model, prompt, manner and the passages it was shown, so that an answer is given
-- again only to who may read the same passages.
CREATE TABLE model_answers (
    id BLOB NOT NULL PRIMARY KEY,
    basis BLOB NOT NULL,
    question TEXT NOT NULL,
    said TEXT NOT NULL,
    said_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX model_answers_by_basis ON model_answers (basis, said_at);
CREATE INDEX model_answers_by_age ON model_answers (said_at);
