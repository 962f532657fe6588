-- How the last rebuild of the read model goes, or went: whichever instance is
-- asked can say it. The model that is being made is in temporary tables of the
-- one session that makes it, and is gone with that session.
CREATE TABLE rebuild (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    rebuild_id   uuid        NOT NULL,
    -- Compares only, and changes nothing.
    verify_only  boolean     NOT NULL,
    -- Begins with what loan-manager keeps, and not with the topics alone.
    from_owner   boolean     NOT NULL,
    phase        text        NOT NULL
                 CHECK (phase IN ('history', 'reading', 'waiting', 'comparing', 'done', 'failed')),
    events_total bigint      NOT NULL DEFAULT 0 CHECK (events_total >= 0),
    events_read  bigint      NOT NULL DEFAULT 0 CHECK (events_read >= 0),
    -- Events that cannot be worked on: among the dead letters, if they ever came.
    left_out     bigint      NOT NULL DEFAULT 0 CHECK (left_out >= 0),
    begun_at     timestamptz NOT NULL,
    -- The last sign of life: of an instance that was killed there is none.
    seen_at      timestamptz NOT NULL,
    -- How the two models differed, once that is known.
    difference   jsonb,
    -- Why it failed, for a person.
    reason       text        CHECK ((reason IS NOT NULL) = (phase = 'failed')),
    -- It failed because the topics are not kept from their beginning any more.
    is_cut       boolean     NOT NULL DEFAULT false
);
