-- How many dead letters are open is asked every few seconds, of an inbox that may
-- hold millions of claims.
CREATE INDEX inbox_dead_lettered ON inbox (dead_lettered_at) WHERE dead_lettered_at IS NOT NULL;
