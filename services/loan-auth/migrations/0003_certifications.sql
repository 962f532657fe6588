-- The decision on each request: certify and void are both first-writer-wins, and
-- this row is the winner. So a call whose answer was lost can be asked again.
CREATE TABLE certification (
    loan_request_id  uuid PRIMARY KEY,
    outcome          text NOT NULL CHECK (outcome IN ('certified', 'refused', 'voided', 'cancelled')),
    -- Who was proven. No foreign key: the statement that inserts a certified row
    -- locks the person's row itself, and people are never deleted.
    customer_id      uuid,
    -- What was asked for; unknown where the void came first.
    request_id       text CHECK (request_id IN ('01', '02')),
    loan_id          uuid,
    request_name     text,
    amount_of_money  bigint,
    currency         text,
    -- Of a refused one: whose name was used, and from where. For officers and
    -- audit, 30 days; forgotten at once when that person is removed.
    claimed_user_key text,
    address          text,
    decided_at       timestamptz NOT NULL,
    cancelled_at     timestamptz,
    CONSTRAINT certification_names_its_customer
        CHECK ((outcome IN ('certified', 'cancelled')) = (customer_id IS NOT NULL)),
    CONSTRAINT certification_cancelled_at
        CHECK ((outcome = 'cancelled') = (cancelled_at IS NOT NULL)),
    CONSTRAINT certification_claim_is_refused
        CHECK (outcome = 'refused' OR num_nonnulls(claimed_user_key, address) = 0)
);
-- The lists: a customer's own, and the officers' of all.
CREATE INDEX certification_customer ON certification (customer_id, decided_at DESC, loan_request_id DESC)
    WHERE customer_id IS NOT NULL;
CREATE INDEX certification_decided ON certification (decided_at DESC, loan_request_id DESC);
-- What is purged after 30 days.
CREATE INDEX certification_unproven ON certification (decided_at) WHERE customer_id IS NULL;
CREATE INDEX certification_claimed ON certification (claimed_user_key) WHERE claimed_user_key IS NOT NULL;

-- Which loans are open, learnt from our own certifications and loan-manager's
-- events, so that a removal need not ask anyone. A loan is open from the
-- certification of its application on, until it is refused, repaid or cancelled.
CREATE TABLE open_loan (
    loan_id      uuid PRIMARY KEY,
    customer_id  uuid NOT NULL,
    is_open      boolean NOT NULL,
    -- The highest number of loan-manager's events seen: an older one changes nothing.
    loan_version bigint NOT NULL DEFAULT 0,
    -- A cancelled application never opens again, whatever arrives late.
    cancelled_at timestamptz,
    changed_at   timestamptz NOT NULL
);
CREATE INDEX open_loan_customer ON open_loan (customer_id) WHERE is_open AND cancelled_at IS NULL;
