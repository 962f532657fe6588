-- The event that told of the compensation, so that it can be told of once more under
-- the same id: whoever has worked on it finds it in its inbox.
ALTER TABLE loan_request
    ADD COLUMN cancelled_event_id uuid,
    ADD CONSTRAINT only_a_compensated_one_was_told_of CHECK (cancelled_event_id IS NULL OR status = '요청취소');

UPDATE loan_request SET cancelled_event_id = outbox.event_id
FROM outbox
WHERE outbox.event_type = 'LoanRequestCancelled' AND outbox.subject = loan_request.loan_request_id::text
  AND loan_request.status = '요청취소';
