-- What lies on the officers' desks: applications (01) and repayment requests
-- (02) in one table, because an officer works on both in one queue.
--
-- The row of an application IS the loan. Whoever changes anything of a loan
-- locks that row first, so that its events are inserted in the order in which
-- they were committed.
CREATE TABLE item (
    loan_request_id uuid        PRIMARY KEY,
    kind            text        NOT NULL CHECK (kind IN ('01', '02')),
    -- NULL: a repayment that was rejected before it came to a loan.
    loan_id         uuid,
    status          text        NOT NULL CHECK (status IN ('00', '01', '02', '03', '04', '05')),
    -- Whole won.
    amount          bigint      NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    currency        text        NOT NULL CHECK (currency = 'KRW'),
    -- amount − booked. Only a loan owes, and only from its execution on.
    outstanding     bigint      CHECK (outstanding BETWEEN 0 AND amount),
    -- The number of the loan's last event; on the loan's row only.
    loan_version    bigint      CHECK (loan_version > 0),
    -- Counts the changes of this row: the ETag by which two officers who work
    -- on the same item notice each other.
    version         bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    -- Why a repayment was rejected.
    reason          text,
    customer_id     uuid        NOT NULL,
    -- Who it is and how to reach them, as certified: the officer compares it
    -- with the papers.
    user_id         text        NOT NULL,
    user_name       text        NOT NULL,
    user_mobile     text,
    account_no      text,
    request_name    text        NOT NULL,
    -- Travels in every event, so that a message need not wait for the
    -- customers' topic.
    language        text        NOT NULL CHECK (language IN ('ko', 'en')),
    -- The officer who changed the row last, as the token said.
    proc_id         uuid,
    proc_name       text,
    -- The last thing that an officer said to it.
    adm_comment     text,
    received_at     timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,

    CONSTRAINT application_is_its_loan CHECK (
        kind <> '01' OR (loan_id IS NOT NULL AND loan_id = loan_request_id AND loan_version IS NOT NULL)
    ),
    CONSTRAINT loan_owes_from_its_execution_on CHECK (
        kind <> '01' OR (outstanding IS NOT NULL) = (status IN ('04', '05'))
    ),
    CONSTRAINT loan_is_repaid_when_nothing_is_owed CHECK (
        kind <> '01' OR outstanding IS NULL OR (outstanding = 0) = (status = '05')
    ),
    CONSTRAINT repayment_waits_or_is_done CHECK (
        kind <> '02' OR (status IN ('00', '03', '05') AND outstanding IS NULL AND loan_version IS NULL)
    ),
    CONSTRAINT only_a_rejected_repayment_has_a_reason CHECK (
        (reason IS NOT NULL) = (kind = '02' AND status = '03')
    ),
    CONSTRAINT only_a_rejected_repayment_lacks_a_loan CHECK (loan_id IS NOT NULL OR reason IS NOT NULL)
);

-- The queue as officers open it, oldest first. Repayments are never 01 or 02,
-- so that the state alone tells what waits for an officer.
CREATE INDEX item_that_waits ON item (received_at, loan_request_id) WHERE status IN ('00', '01', '02');
-- The queue filtered by state, and all of it.
CREATE INDEX item_by_status ON item (status, received_at, loan_request_id);
CREATE INDEX item_by_age ON item (received_at, loan_request_id);
-- A loan with its repayments; in the order in which their rows are locked.
CREATE INDEX item_of_loan ON item (loan_id, loan_request_id);
-- A repayment that names no loan looks for the caller's executed ones.
CREATE INDEX executed_loan_of_customer ON item (customer_id, loan_request_id) WHERE kind = '01' AND status = '04';

-- What was booked, once for each request: the primary key is the last wall
-- against booking a repayment twice. A loan that an officer set to 05 by hand
-- is booked under its own id.
CREATE TABLE booking (
    loan_request_id uuid        PRIMARY KEY REFERENCES item (loan_request_id),
    loan_id         uuid        NOT NULL REFERENCES item (loan_request_id),
    amount          bigint      NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    -- The officer, as the token said.
    booked_by       uuid        NOT NULL,
    booked_at       timestamptz NOT NULL
);

-- Adding up what was booked on a loan.
CREATE INDEX booking_of_loan ON booking (loan_id);
