-- Operators list the officers, of whom there are few among many customers.
CREATE INDEX person_officers ON person (customer_id) WHERE role = 'officer' AND removed_at IS NULL;
