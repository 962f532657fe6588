-- What is to be purged of the requests that nobody was certified for before they
-- ended: loan-auth was not reached, or the question was taken back.
CREATE INDEX loan_request_withdrawn ON loan_request (cancelled_at)
    WHERE cancelled_at IS NOT NULL AND customer_id IS NULL;
