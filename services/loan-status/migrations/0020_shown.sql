-- Whether what a write brought about is shown already (`minVersion`) is asked
-- with every such read: of the request, or of the loan's events by their number.
CREATE INDEX entry_of_loan_by_version ON entry (loan_id, loan_version) WHERE loan_id IS NOT NULL;
