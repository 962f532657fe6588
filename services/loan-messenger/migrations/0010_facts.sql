-- Operators compare what was told of each request with what was written, request
-- by request in the order of their ids.
CREATE INDEX message_of_request ON message (loan_request_id, event_id);
