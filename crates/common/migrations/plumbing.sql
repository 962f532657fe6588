-- The tables that every service has for its own plumbing. The text is the same
-- in all of them (a check says so); the schema is the service's own.

-- Events that were committed together with the state they speak of, until the
-- relay has seen the broker's acknowledgement.
CREATE TABLE outbox (
    -- The order of sending. A use case locks its aggregate's row first, so the
    -- events of one aggregate get their numbers in the order of the commits.
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- ce_id: what consumers recognise a duplicate by.
    event_id    uuid NOT NULL UNIQUE,
    topic       text NOT NULL,
    -- The message's key: what has the same key stays in order.
    key         text NOT NULL,
    event_type  text NOT NULL,
    source      text NOT NULL,
    subject     text NOT NULL,
    occurred_at timestamptz NOT NULL,
    -- Null is a tombstone: a compacted topic forgets the key.
    payload     text,
    -- The trace that the event belongs to, carried on to its consumers.
    traceparent text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- Null until the broker has acknowledged it. A mark, and never a cursor on
    -- `id`: a transaction that commits late has a lower id than its elders.
    sent_at     timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

-- Events that were worked on: the claim commits together with the effect, so
-- that a second delivery finds it and does nothing.
CREATE TABLE inbox (
    event_id         uuid PRIMARY KEY,
    topic            text NOT NULL,
    received_at      timestamptz NOT NULL DEFAULT now(),
    -- Set when the event could not be worked on and went to the dead letters;
    -- only such a claim gives way when an operator has it delivered again.
    dead_lettered_at timestamptz,
    -- Set when an operator has discarded the dead letter: the event will never be
    -- worked on, and nobody has lost it.
    discarded_at     timestamptz
);
-- Rows arrive in the order of time and leave by age: a summary is enough.
CREATE INDEX inbox_received ON inbox USING brin (received_at);

-- What was created under which Idempotency-Key.
CREATE TABLE idempotency (
    -- Who sent it: a key means nothing to another caller.
    scope       text NOT NULL,
    -- The operation: a key means nothing on another route.
    route       text NOT NULL,
    key         text NOT NULL,
    -- SHA-256 of the request without its secrets: the same key with another
    -- body is an error of the caller.
    body_hash   bytea NOT NULL,
    resource_id uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (scope, route, key)
);
CREATE INDEX idempotency_resource ON idempotency (resource_id);
CREATE INDEX idempotency_created ON idempotency USING brin (created_at);

-- The last set of public keys that was fetched, so that tokens can be checked
-- after a restart while the issuer is away. One row at most.
CREATE TABLE jwks_cache (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    jwks       text NOT NULL,
    fetched_at timestamptz NOT NULL
);
