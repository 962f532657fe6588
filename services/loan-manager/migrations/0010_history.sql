-- What was told of each request, once for each event, kept for ever: the outbox
-- forgets after days, but whether everybody has heard of a loan must be answerable
-- at any time, and what was lost must be told again under the id and in the words
-- of the first time. What happened cannot be made up from the rows of `item`: they
-- hold the last state and the last comment only. Names and numbers of people are
-- not in it, as they are in no event of this service.
CREATE TABLE history (
    -- ce_id.
    event_id        uuid        PRIMARY KEY,
    loan_request_id uuid        NOT NULL,
    event_type      text        NOT NULL,
    -- The message's key: the loan, or the request that never came to one.
    key             text        NOT NULL,
    occurred_at     timestamptz NOT NULL,
    payload         text        NOT NULL
);
-- What was told of one request.
CREATE INDEX history_of_request ON history (loan_request_id, event_id);

-- What was told before there was a history, as far as the outbox remembers.
INSERT INTO history (event_id, loan_request_id, event_type, key, occurred_at, payload)
SELECT event_id, subject::uuid, event_type, key, occurred_at, payload FROM outbox WHERE payload IS NOT NULL;
