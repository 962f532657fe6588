-- What so many applications (:batch) write to the database, in the transactions in which the
-- services do it: the same rows in the same tables under the same indexes, the reads by key,
-- and a commit for each transaction. Not in it: what services do besides, and events that
-- travel.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms \gset
\set run random(1, 1000000000000)

-- loan-request writes them down.
INSERT INTO loan_request.loan_request (loan_request_id, request_id, loan_id, request_name, amount, currency, account_no,
    user_id, user_name, submitted_at, decide_after, status)
SELECT bench_id(:ms, :run, n), '01', bench_id(:ms, :run, n), 'Deposit', 10000, 'KRW', '1111', '1@sk.com', '유은상', now(),
    now() + interval '5 s', '인증대기' FROM generate_series(1, :batch) AS n;

-- loan-auth looks at the callers, certifies, and tells of it.
SELECT p.customer_id, p.credential_version, k.last_success_at, f.failures
  FROM generate_series(1, :batch) AS n
  LEFT JOIN loan_auth.person p ON p.user_key = '1@sk.com'
  LEFT JOIN loan_auth.known_address k ON k.customer_id = p.customer_id AND k.address = '127.0.0.1'
 CROSS JOIN LATERAL (SELECT count(*) AS failures FROM loan_auth.login_failure
                      WHERE address = '127.0.0.1' AND failed_at > now() - interval '1 minute') f;
BEGIN;
WITH holder AS (
    SELECT customer_id FROM loan_auth.person WHERE user_key = '1@sk.com' FOR KEY SHARE SKIP LOCKED
), decided AS (
    INSERT INTO loan_auth.certification (loan_request_id, outcome, customer_id, request_id, loan_id, request_name,
        amount_of_money, currency, decided_at, event_id, account_no)
    SELECT bench_id(:ms, :run, n), 'certified', customer_id, '01', bench_id(:ms, :run, n), 'Deposit', 10000, 'KRW', now(),
        bench_id(:ms, :run, -n), '1111' FROM generate_series(1, :batch) AS n, holder
    ON CONFLICT DO NOTHING RETURNING loan_request_id, customer_id
)
INSERT INTO loan_auth.open_loan (loan_id, customer_id, is_open, changed_at)
SELECT loan_request_id, customer_id, true, now() FROM decided ON CONFLICT DO NOTHING;
INSERT INTO loan_auth.outbox (event_id, topic, key, event_type, source, subject, occurred_at, payload)
SELECT bench_id(:ms, :run, -n), 'loan.auth', bench_id(:ms, :run, n), 'AuthCertified', 'loan-auth', bench_id(:ms, :run, n),
    now(), repeat('x', 480) FROM generate_series(1, :batch) AS n;
COMMIT;

-- loan-request notes it.
UPDATE loan_request.loan_request SET customer_id = '00000000-0000-7000-8000-000000000001', certified_at = now(),
    decide_after = NULL, version = version + 1
 WHERE loan_request_id = ANY (ARRAY(SELECT bench_id(:ms, :run, n) FROM generate_series(1, :batch) AS n));

-- The relay reads and marks.
SELECT count(payload) FROM (SELECT * FROM loan_auth.outbox WHERE sent_at IS NULL ORDER BY id LIMIT :batch) AS unsent;
UPDATE loan_auth.outbox SET sent_at = now()
 WHERE event_id = ANY (ARRAY(SELECT bench_id(:ms, :run, -n) FROM generate_series(1, :batch) AS n));

-- loan-manager takes them in.
BEGIN;
INSERT INTO loan_manager.inbox (event_id, topic)
SELECT bench_id(:ms, :run, -n), 'loan.auth' FROM generate_series(1, :batch) AS n ON CONFLICT DO NOTHING;
INSERT INTO loan_manager.item (loan_request_id, kind, loan_id, status, amount, currency, loan_version, version, customer_id,
    user_id, user_name, user_mobile, account_no, request_name, language, received_at, changed_at)
SELECT bench_id(:ms, :run, n), '01', bench_id(:ms, :run, n), '00', 10000, 'KRW', 1, 1,
    '00000000-0000-7000-8000-000000000001', '1@sk.com', '유은상', '010-000-0000', '1111', 'Deposit', 'ko', now(), now()
  FROM generate_series(1, :batch) AS n ON CONFLICT DO NOTHING;
INSERT INTO loan_manager.history (event_id, loan_request_id, event_type, key, occurred_at, payload)
SELECT bench_id(:ms, :run, 100000 + n), bench_id(:ms, :run, n), 'LoanRequestReceived', bench_id(:ms, :run, n), now(),
    repeat('x', 380) FROM generate_series(1, :batch) AS n;
INSERT INTO loan_manager.outbox (event_id, topic, key, event_type, source, subject, occurred_at, payload)
SELECT bench_id(:ms, :run, 100000 + n), 'loan.manager', bench_id(:ms, :run, n), 'LoanRequestReceived', 'loan-manager',
    bench_id(:ms, :run, n), now(), repeat('x', 380) FROM generate_series(1, :batch) AS n;
COMMIT;
SELECT count(payload) FROM (SELECT * FROM loan_manager.outbox WHERE sent_at IS NULL ORDER BY id LIMIT :batch) AS unsent;
UPDATE loan_manager.outbox SET sent_at = now()
 WHERE event_id = ANY (ARRAY(SELECT bench_id(:ms, :run, 100000 + n) FROM generate_series(1, :batch) AS n));

-- loan-request hears of both.
BEGIN;
INSERT INTO loan_request.inbox (event_id, topic)
SELECT bench_id(:ms, :run, -n), 'loan.auth' FROM generate_series(1, :batch) AS n ON CONFLICT DO NOTHING;
SELECT loan_request_id, status, customer_id FROM loan_request.loan_request
 WHERE loan_request_id = ANY (ARRAY(SELECT bench_id(:ms, :run, n) FROM generate_series(1, :batch) AS n));
INSERT INTO loan_request.inbox (event_id, topic)
SELECT bench_id(:ms, :run, 100000 + n), 'loan.manager' FROM generate_series(1, :batch) AS n ON CONFLICT DO NOTHING;
UPDATE loan_request.loan_request SET status = '요청완료', received_at = now(), version = version + 1
 WHERE loan_request_id = ANY (ARRAY(SELECT bench_id(:ms, :run, n) FROM generate_series(1, :batch) AS n));
COMMIT;

-- loan-messenger writes the messages.
BEGIN;
INSERT INTO loan_messenger.inbox (event_id, topic)
SELECT bench_id(:ms, :run, 100000 + n), 'loan.manager' FROM generate_series(1, :batch) AS n ON CONFLICT DO NOTHING;
SELECT pg_advisory_xact_lock(1, 1);
WITH mailbox AS (
    INSERT INTO loan_messenger.mailbox (customer_id, last_seq) VALUES (bench_id(0, :client_id, 0), :batch)
    ON CONFLICT (customer_id) DO UPDATE SET last_seq = mailbox.last_seq + excluded.last_seq RETURNING customer_id, last_seq
)
INSERT INTO loan_messenger.message (id, event_id, loan_request_id, loan_id, customer_id, seq, kind, language, subject, body,
    short, channel, created_at, sent_at)
SELECT bench_id(:ms, :run, 200000 + n), bench_id(:ms, :run, 100000 + n), bench_id(:ms, :run, n), bench_id(:ms, :run, n),
    customer_id, last_seq - :batch + n, 'request-received', 'ko', 'Deposit', repeat('x', 160), repeat('x', 80), 'mailbox',
    now(), now() FROM generate_series(1, :batch) AS n, mailbox;
INSERT INTO loan_messenger.outbox (event_id, topic, key, event_type, source, subject, occurred_at, payload)
SELECT bench_id(:ms, :run, 200000 + n), 'loan.messenger', bench_id(:ms, :run, n), 'MessageSent', 'loan-messenger',
    bench_id(:ms, :run, n), now(), repeat('x', 300) FROM generate_series(1, :batch) AS n;
COMMIT;
SELECT count(payload) FROM (SELECT * FROM loan_messenger.outbox WHERE sent_at IS NULL ORDER BY id LIMIT :batch) AS unsent;
UPDATE loan_messenger.outbox SET sent_at = now()
 WHERE event_id = ANY (ARRAY(SELECT bench_id(:ms, :run, 200000 + n) FROM generate_series(1, :batch) AS n));

-- loan-status shows them.
BEGIN;
INSERT INTO loan_status.inbox (event_id, topic)
SELECT bench_id(:ms, :run, 100000 + n), 'loan.manager' FROM generate_series(1, :batch) AS n ON CONFLICT DO NOTHING;
WITH counter AS (UPDATE loan_status.feed_counter SET last_id = last_id + :batch RETURNING last_id - :batch AS before)
INSERT INTO loan_status.entry (id, event_id, event_type, loan_request_id, loan_id, customer_id, request_id, request_name,
    amount_of_money, currency, loan_status, loan_version, occurred_at)
SELECT before + n, bench_id(:ms, :run, 100000 + n), 'LoanRequestReceived', bench_id(:ms, :run, n), bench_id(:ms, :run, n),
    '00000000-0000-7000-8000-000000000001', '01', 'Deposit', 10000, 'KRW', '00', 1, now()
  FROM generate_series(1, :batch) AS n, counter;
INSERT INTO loan_status.loan (loan_id, customer_id, request_name, amount_of_money, currency, loan_status, loan_version, changed_at)
SELECT bench_id(:ms, :run, n), '00000000-0000-7000-8000-000000000001', 'Deposit', 10000, 'KRW', '00', 1, now()
  FROM generate_series(1, :batch) AS n ON CONFLICT DO NOTHING;
COMMIT;
