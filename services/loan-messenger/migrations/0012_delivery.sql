-- How messages leave the mailbox: by mail, by short message, to a web-hook. The mailbox
-- itself stays the record of what was written.

-- The text of a short message; null in messages of before there were any.
ALTER TABLE message ADD COLUMN short text;

-- What a customer has chosen. Without a row: mail, if there is an address for it.
CREATE TABLE preference (
    customer_id uuid        PRIMARY KEY,
    channel     text        CHECK (channel IN ('mailbox', 'mail', 'sms', 'webhook')),
    -- Kinds of messages that stay in the mailbox; never one that must be told.
    opted_out   text[]      NOT NULL DEFAULT '{}',
    changed_at  timestamptz NOT NULL
);

-- Where a customer's own system listens.
CREATE TABLE webhook (
    customer_id     uuid        PRIMARY KEY,
    url             text        NOT NULL,
    -- What is sent is signed with it. It must be known as it is to sign, so it is
    -- not hashed.
    secret          bytea       NOT NULL,
    -- The one before, which signs too until its time is over.
    previous_secret bytea,
    previous_until  timestamptz,
    -- Since when it says that it is gone for good (410).
    gone_at         timestamptz,
    changed_at      timestamptz NOT NULL,
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

-- Addresses that were proven to be read by their customer. An address counts as
-- verified while it is the one that is in use: any other is to be proven anew.
CREATE TABLE verified_address (
    customer_id uuid        NOT NULL,
    channel     text        NOT NULL CHECK (channel IN ('mail', 'sms', 'webhook')),
    address     text        NOT NULL,
    verified_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, channel)
);

-- Codes that prove it. The newest of a customer and channel is the one that counts.
CREATE TABLE verification (
    id          uuid        PRIMARY KEY,
    customer_id uuid        NOT NULL,
    channel     text        NOT NULL CHECK (channel IN ('mail', 'sms', 'webhook')),
    -- Empty, as the code, once the customer was removed; the row stays for its day.
    address     text        NOT NULL,
    -- SHA-256 of the mailbox, telephone or host that it comes down to, however it was
    -- written: what codes are counted by.
    address_key bytea       NOT NULL,
    code        text        NOT NULL,
    -- Wrong codes that were tried.
    tries       integer     NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    -- When it is to be sent, or sent again; null when there is nothing to send.
    due_at      timestamptz,
    -- How often sending it was begun.
    attempts    integer     NOT NULL DEFAULT 0,
    sent_at     timestamptz
);
CREATE INDEX verification_due ON verification (channel, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX verification_of_customer ON verification (customer_id, channel, created_at);
-- How many codes an address got is asked before the next: nobody's mailbox is
-- filled by strangers who register with it.
CREATE INDEX verification_of_address ON verification (address_key, created_at);
CREATE INDEX verification_created ON verification (created_at);

-- What is to be sent, written together with the message: the intent before the act.
CREATE TABLE delivery (
    message_id  uuid        PRIMARY KEY REFERENCES message (id),
    customer_id uuid        NOT NULL,
    -- The message's number among the customer's: what is sent goes in this order.
    seq         bigint      NOT NULL,
    state       text        NOT NULL DEFAULT 'waiting'
                            CHECK (state IN ('waiting', 'sent', 'failed', 'given-up', 'dropped')),
    -- By which channel it went, or was tried last.
    channel     text        CHECK (channel IN ('mail', 'sms', 'webhook')),
    -- 1, and one more each time that an operator has it sent again: part of the id
    -- under which it is sent, so that a receiver takes it for a new one then and only then.
    round       integer     NOT NULL DEFAULT 1,
    -- How often sending was begun, in all; and in this round, which decides the pause.
    attempts    integer     NOT NULL DEFAULT 0,
    tries       integer     NOT NULL DEFAULT 0,
    -- Why it was not sent (yet).
    reason      text,
    created_at  timestamptz NOT NULL,
    -- When it is not tried any more.
    give_up_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX delivery_waiting ON delivery (customer_id, seq) WHERE state = 'waiting';
-- What did not arrive, for operators who have it sent again.
CREATE INDEX delivery_unsuccessful ON delivery (ended_at) WHERE state IN ('failed', 'given-up');

-- Whose turn it is. One row for each customer with something to send; whoever holds it
-- sends the first of the customer's messages, so that no later one overtakes it.
CREATE TABLE turn (
    customer_id uuid        PRIMARY KEY,
    -- The channel whose workers look after it.
    lane        text        NOT NULL CHECK (lane IN ('mail', 'sms', 'webhook')),
    -- When to look at it.
    due_at      timestamptz NOT NULL,
    -- Until then somebody sends; if they die it comes back by itself. Nothing but the end
    -- of sending ends it earlier.
    leased_until timestamptz,
    -- Nothing can be sent until the customer does something (a verified address).
    held        boolean     NOT NULL DEFAULT false,
    -- Since when the message that it is about waits for us: when it was written, or when
    -- it was held no longer.
    since       timestamptz NOT NULL,
    released_at timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX turn_due ON turn (lane, due_at);
-- The age of the oldest unsent message is asked every few seconds.
CREATE INDEX turn_since ON turn (lane, since) WHERE NOT held;

-- Each attempt to send, written before it is made: one without an outcome was begun by
-- somebody who died, and nobody knows whether it arrived.
CREATE TABLE attempt (
    message_id uuid        NOT NULL REFERENCES delivery (message_id),
    number     integer     NOT NULL,
    channel    text        NOT NULL,
    begun_at   timestamptz NOT NULL,
    ended_at   timestamptz,
    outcome    text        CHECK (outcome IN ('sent', 'failed', 'refused', 'abandoned')),
    -- The other side's code; never its words, which may quote an address.
    detail     text,
    PRIMARY KEY (message_id, number)
);
CREATE INDEX attempt_begun ON attempt USING brin (begun_at);
