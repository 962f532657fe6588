-- Customers and officers. A row is never deleted: its id is the owner of loans,
-- messages and certifications for ever, and is never given to another. What is
-- personal goes with the removal.
CREATE TABLE person (
    customer_id        uuid PRIMARY KEY,
    role               text NOT NULL CHECK (role IN ('customer', 'officer')),
    -- The login name as it was written, and in the form that is compared.
    user_id            text,
    user_key           text,
    -- In Unicode NFC, so that one name has one spelling.
    user_name          text,
    user_mobile        text,
    user_email         text,
    language           text NOT NULL CHECK (language IN ('ko', 'en')),
    -- argon2id in PHC form. The only thing that is kept of a password.
    password_hash      text,
    -- Counts the changes of the password; a token names the count that it was
    -- issued at, so that an older one can be told.
    credential_version bigint NOT NULL DEFAULT 1 CHECK (credential_version > 0),
    -- Counts all changes; the entity tag.
    version            bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    registered_at      timestamptz NOT NULL,
    changed_at         timestamptz NOT NULL,
    removed_at         timestamptz,
    CONSTRAINT person_is_whole CHECK (
        removed_at IS NOT NULL
        OR (num_nulls(user_id, user_key, user_name, password_hash) = 0
            AND (role = 'officer' OR user_mobile IS NOT NULL))
    ),
    CONSTRAINT person_is_forgotten CHECK (
        removed_at IS NULL
        OR num_nonnulls(user_id, user_key, user_name, user_mobile, user_email, password_hash) = 0
    )
);
-- A login name belongs to one active person. A removed one has none, so that the
-- name may be taken again, and inherits nothing.
CREATE UNIQUE INDEX person_user_key ON person (user_key);

-- Wrong passwords. Counted in the database because several instances count
-- together. The account is a SHA-256 of the login name that was claimed: whether
-- there is such a person makes no difference, and no name is kept here.
CREATE TABLE login_failure (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account   bytea NOT NULL,
    -- An IPv4 address, or the /64 network of an IPv6 address: one line has that many.
    address   text NOT NULL,
    failed_at timestamptz NOT NULL
);
CREATE INDEX login_failure_account ON login_failure (account, failed_at, address);
CREATE INDEX login_failure_address ON login_failure (address, failed_at);
CREATE INDEX login_failure_failed ON login_failure USING brin (failed_at);

-- Where a person's password was right before: a stranger's failures elsewhere do
-- not lock the owner out from there. Written at most once a day.
CREATE TABLE known_address (
    customer_id     uuid NOT NULL,
    address         text NOT NULL,
    last_success_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, address)
);
CREATE INDEX known_address_last_success ON known_address (last_success_at);

-- One login and the chain of refresh tokens that came of it. Only the last token
-- of a chain is good; an earlier one shown again means that it was stolen from
-- someone, and ends the chain.
CREATE TABLE refresh_family (
    family_id          uuid PRIMARY KEY,
    customer_id        uuid NOT NULL,
    -- SHA-256 of the one token that is good.
    token_hash         bytea NOT NULL,
    -- A change of the password ends every chain of before.
    credential_version bigint NOT NULL,
    started_at         timestamptz NOT NULL,
    renewed_at         timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL
);
CREATE INDEX refresh_family_customer ON refresh_family (customer_id, started_at);
CREATE INDEX refresh_family_expires ON refresh_family (expires_at);
