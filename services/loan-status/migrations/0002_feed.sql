-- What customers and officers see. All of it comes from events and can be made
-- again from offset 0. There is no name and no mobile number in this schema.

-- The one counter of the feed. Its row stays locked from the moment an entry
-- takes its number until that entry's commit, so numbers become visible in
-- their own order, over all instances: who has seen number n will never be
-- shown a smaller one later.
CREATE TABLE feed_counter (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Names this feed. Made anew when the read model is rebuilt, because the
    -- same number then means another entry.
    epoch      text    NOT NULL DEFAULT left(replace(gen_random_uuid()::text, '-', ''), 12)
                       CHECK (epoch ~ '^[0-9a-f]{12}$'),
    last_id    bigint  NOT NULL DEFAULT 0 CHECK (last_id >= 0),
    -- Which rebuild this is: see READ_MODEL_GENERATION.
    generation integer NOT NULL DEFAULT 1 CHECK (generation > 0)
) WITH (fillfactor = 10); -- Changed with every entry: room for that within its page.

INSERT INTO feed_counter DEFAULT VALUES;

-- One row for each event that is shown. A row never changes.
CREATE TABLE entry (
    id              bigint      PRIMARY KEY,
    -- One entry for each event, even if the event comes again after its inbox
    -- row was purged.
    event_id        uuid        NOT NULL UNIQUE,
    event_type      text        NOT NULL,
    loan_request_id uuid        NOT NULL,
    -- NULL where the event knew no loan: a repayment of one that does not exist.
    loan_id         uuid,
    customer_id     uuid        NOT NULL,
    request_id      text        NOT NULL CHECK (request_id IN ('01', '02')),
    request_name    text        NOT NULL,
    amount_of_money bigint      NOT NULL CHECK (amount_of_money > 0),
    currency        text        NOT NULL,
    -- What was owed on the loan after the event, where it says so.
    outstanding     bigint      CHECK (outstanding >= 0),
    loan_status     text        NOT NULL CHECK (loan_status IN ('00', '01', '02', '03', '04', '05')),
    -- Why a request was rejected.
    reason          text,
    adm_comment     text,
    -- The number of the event among the loan's: tells the true order of a
    -- loan's entries where they arrived in another. NULL: rejected before it
    -- came to a loan.
    loan_version    bigint      CHECK (loan_version > 0),
    -- When it happened, by loan-manager's clock.
    occurred_at     timestamptz NOT NULL
);

-- A customer's feed, and a loan's timeline.
CREATE INDEX entry_of_customer ON entry (customer_id, id);
CREATE INDEX entry_of_loan ON entry (loan_id, id) WHERE loan_id IS NOT NULL;

-- Where each loan stands now.
CREATE TABLE loan (
    loan_id         uuid        PRIMARY KEY,
    customer_id     uuid        NOT NULL,
    -- What the application said; NULL until an event of the application came
    -- (a booking tells neither).
    request_name    text,
    amount_of_money bigint      CHECK (amount_of_money > 0),
    currency        text        NOT NULL,
    loan_status     text        NOT NULL CHECK (loan_status IN ('00', '01', '02', '03', '04', '05')),
    -- NULL until the loan is executed.
    outstanding     bigint      CHECK (outstanding >= 0),
    -- The number, among the loan's events, of the one that set the state. An
    -- event with a smaller one changes the state no more.
    loan_version    bigint      NOT NULL CHECK (loan_version > 0),
    -- When the state came to be, by loan-manager's clock.
    changed_at      timestamptz NOT NULL
);

-- Requests that were compensated (요청취소). A table of its own because the
-- word of it comes by another topic and so before or after the rejection.
CREATE TABLE cancellation (
    loan_request_id uuid        PRIMARY KEY,
    cancelled_at    timestamptz NOT NULL
);
