-- Operators compare what was told of each request with what is shown, request by
-- request in the order of their ids.
CREATE INDEX entry_of_request ON entry (loan_request_id, event_id);
