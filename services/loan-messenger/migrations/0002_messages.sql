-- Whom we write to: a replica of loan-auth's customers, kept by the events of
-- loan.customer. It holds what writing needs and nothing else.
CREATE TABLE recipient (
    customer_id uuid        PRIMARY KEY,
    -- ko or en: decides the words of the messages.
    language    text        CHECK (language IN ('ko', 'en')),
    -- Name and addresses, for the channels that reach out to the customer.
    user_name   text,
    user_mobile text,
    user_email  text,
    -- When the customer came to be so, by loan-auth's clock: an older event
    -- that arrives later must not overwrite a newer one.
    changed_at  timestamptz NOT NULL,
    -- A removed customer's row stays, empty, so that an older event that
    -- arrives later cannot bring the personal data back.
    removed_at  timestamptz,
    CONSTRAINT recipient_is_whole_or_empty CHECK (
        CASE WHEN removed_at IS NULL
            THEN language IS NOT NULL AND user_name IS NOT NULL AND user_mobile IS NOT NULL
            ELSE language IS NULL AND user_name IS NULL AND user_mobile IS NULL AND user_email IS NULL
        END
    )
);

-- One row for each customer who was ever written to. Its lock, held until the
-- commit, is what puts a customer's messages in order.
CREATE TABLE mailbox (
    customer_id uuid   PRIMARY KEY,
    last_seq    bigint NOT NULL CHECK (last_seq > 0)
);

-- What was written. A row never changes.
CREATE TABLE message (
    id              uuid        PRIMARY KEY,
    -- The order of all messages. Taken under the mailbox's lock, so that for
    -- one customer it is the order of `seq` as well.
    position        bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    -- The event that this message tells of: one message for each, even if the
    -- event comes again after its inbox row was purged.
    event_id        uuid        NOT NULL UNIQUE,
    loan_request_id uuid        NOT NULL,
    -- NULL where the event knew no loan: a repayment of one that does not exist.
    loan_id         uuid,
    customer_id     uuid        NOT NULL REFERENCES mailbox (customer_id),
    -- 1, 2, 3 … for each customer, in the order in which they were written.
    seq             bigint      NOT NULL CHECK (seq > 0),
    kind            text        NOT NULL,
    language        text        NOT NULL CHECK (language IN ('ko', 'en')),
    -- The text as it went out: a later change of the words changes no message.
    subject         text        NOT NULL,
    body            text        NOT NULL,
    channel         text        NOT NULL CHECK (channel IN ('mailbox')),
    created_at      timestamptz NOT NULL,
    -- When it reached its channel; the mailbox has it at once.
    sent_at         timestamptz,
    UNIQUE (customer_id, seq)
);

-- A customer's and a loan's messages, page by page.
CREATE INDEX message_of_customer ON message (customer_id, position);
CREATE INDEX message_of_loan ON message (loan_id, position) WHERE loan_id IS NOT NULL;
