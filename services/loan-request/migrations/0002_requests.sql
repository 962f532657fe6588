-- Requests for new loans (01) and repayments (02), with everything that is
-- needed to bring each of them to a correct end, whenever the process dies.
CREATE TABLE loan_request (
    -- UUID version 7: the order of the ids is the order of submission.
    loan_request_id     uuid        PRIMARY KEY,
    request_id          text        NOT NULL CHECK (request_id IN ('01', '02')),
    -- Of an application its own id. Of a repayment the loan that the customer
    -- named, until loan-manager says which one it is.
    loan_id             uuid,
    request_name        text        NOT NULL,
    -- Whole won.
    amount              bigint      NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    currency            text        NOT NULL CHECK (currency = 'KRW'),
    account_no          text,
    user_mobile         text,
    -- Who the caller claimed to be. Nobody's word for it until customer_id is
    -- set; kept for officers and audit, and so that a caller finds a request
    -- again that is not decided yet.
    user_id             text,
    user_name           text,
    claimed_customer_id uuid,
    -- Whose it is: set once loan-auth has certified it, and never changed.
    customer_id         uuid,
    status              text        NOT NULL CHECK (status IN ('인증대기', '요청완료', '인증실패', '요청취소')),
    -- Why it was refused, withdrawn or compensated.
    reason              text,
    -- What an officer said to it.
    comment             text,
    submitted_at        timestamptz NOT NULL,
    -- From then on anybody may ask loan-auth for the decision; it moves on with
    -- every attempt, so that it is also a lease on asking. Null once decided.
    decide_after        timestamptz,
    -- How often that was tried; the pauses grow with it.
    decide_attempts     integer     NOT NULL DEFAULT 0,
    certified_at        timestamptz,
    received_at         timestamptz,
    refused_at          timestamptz,
    cancelled_at        timestamptz,
    -- Counts the changes of this row: its ETag.
    version             bigint      NOT NULL DEFAULT 1 CHECK (version > 0),

    CONSTRAINT application_is_its_loan CHECK (
        request_id <> '01' OR (loan_id IS NOT NULL AND loan_id = loan_request_id)
    ),
    -- Whatever is not decided is asked for again: nothing waits for ever.
    CONSTRAINT undecided_has_a_deadline CHECK (
        (status = '인증대기' AND customer_id IS NULL) = (decide_after IS NOT NULL)
    ),
    CONSTRAINT certified_has_an_owner CHECK ((customer_id IS NULL) = (certified_at IS NULL)),
    CONSTRAINT received_was_certified CHECK (
        status <> '요청완료' OR (customer_id IS NOT NULL AND received_at IS NOT NULL)
    ),
    CONSTRAINT refused_was_not_certified CHECK (
        (status = '인증실패') = (refused_at IS NOT NULL) AND (status <> '인증실패' OR customer_id IS NULL)
    ),
    CONSTRAINT cancelled_says_when CHECK ((status = '요청취소') = (cancelled_at IS NOT NULL)),
    CONSTRAINT what_ended_early_says_why CHECK ((reason IS NOT NULL) = (status IN ('인증실패', '요청취소')))
)
-- Every row is changed once or twice soon after it was written; with room in its
-- page the change to 요청완료 touches no index. For the same reason no index
-- below mentions a column that this change sets.
WITH (fillfactor = 80);

-- What a customer lists.
CREATE INDEX loan_request_of_customer ON loan_request (customer_id, loan_request_id) WHERE customer_id IS NOT NULL;
-- What is to be asked for.
CREATE INDEX loan_request_undecided ON loan_request (decide_after) WHERE decide_after IS NOT NULL;
-- What is to be purged.
CREATE INDEX loan_request_refused ON loan_request (refused_at) WHERE refused_at IS NOT NULL;
