-- When a row was changed last, by the database's own clock: what was counted before is counted again only where something
-- changed (see `ops::insight::tallies`). No other meaning hangs on it.
ALTER TABLE questions ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX questions_by_change ON questions (platform, changed_at, asked_at);

CREATE TRIGGER questions_come AFTER INSERT ON questions BEGIN
    UPDATE questions SET changed_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) WHERE id = NEW.id;
END;
CREATE TRIGGER questions_change
AFTER UPDATE OF platform, asked_at, team, verdict, latency_ms, helpful, request_id, outcome ON questions BEGIN
    UPDATE questions SET changed_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) WHERE id = NEW.id;
END;

-- What people answered is counted from this index alone.
CREATE INDEX instrument_responses_by_numbers ON instrument_responses
    (platform, answered_at, instrument, wording, score, person);

-- How answers that cite a page first were rated is read from indexes alone.
CREATE INDEX citations_by_answer ON citations (answer_id, position, platform, source, path);

-- Feedback that waits is counted from this index alone.
CREATE INDEX feedback_by_waiting ON feedback (platform, status, kind, said_at);
