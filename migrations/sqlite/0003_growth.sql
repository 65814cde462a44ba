-- What stays as cheap however much is stored, and what pruning looks for: ADR 14.

DROP INDEX orders_paid;
CREATE INDEX orders_paid ON orders (updated_at, id) WHERE status = 'PAID';

CREATE INDEX outbox_of_order ON outbox (order_id);
CREATE INDEX findings_of_order ON findings (order_id);
