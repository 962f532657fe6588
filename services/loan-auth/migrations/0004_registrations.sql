-- Registrations that were let through to the hashing of their password, which is
-- what they cost, whatever came of them. Counted in the database because several
-- instances count together.
CREATE TABLE registration_attempt (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- An IPv4 address, or the /64 network of an IPv6 address: one line has that many.
    address      text NOT NULL,
    attempted_at timestamptz NOT NULL
);
CREATE INDEX registration_attempt_address ON registration_attempt (address, attempted_at);
CREATE INDEX registration_attempt_attempted ON registration_attempt USING brin (attempted_at);
