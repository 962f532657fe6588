-- What is needed to tell of a certification once more: under the id that the event
-- had the first time, so that whoever has worked on it finds it in its inbox, and
-- with what the request said beside the person.
ALTER TABLE certification
    ADD COLUMN event_id    uuid,
    ADD COLUMN account_no  text,
    -- Where to reach the customer about this request, if not as registered. Goes
    -- with the person.
    ADD COLUMN user_mobile text,
    ADD CONSTRAINT certification_is_told_of_once_certified
        CHECK (event_id IS NULL OR outcome IN ('certified', 'cancelled'));

-- Certifications from before that are still in the outbox.
UPDATE certification SET event_id = outbox.event_id, account_no = outbox.payload::jsonb ->> 'accountNo'
FROM outbox
WHERE outbox.event_type = 'AuthCertified' AND outbox.subject = certification.loan_request_id::text
  AND certification.outcome IN ('certified', 'cancelled');
