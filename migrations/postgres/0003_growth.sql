-- What an order costs, and that it costs the same with ten million others stored: ADR 14.

-- An outcome that is settled, or marked as published, beside this would be lost or told twice.
LOCK TABLE payments, orders, outbox IN ACCESS EXCLUSIVE MODE;

-- What waits to be published has a small table of its own, and the outbox is only added to. Marking a row of
-- the outbox itself wrote the whole event a second time, and its random id into a large index again.
CREATE TABLE unpublished (
    event_id   uuid PRIMARY KEY,
    order_id   text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL
);

-- The relay's: the oldest first. Not by event as well, or a planner that takes the table for empty would look
-- for events here.
CREATE INDEX unpublished_oldest ON unpublished (created_at);

INSERT INTO unpublished (event_id, order_id, created_at)
SELECT event_id, order_id, created_at FROM outbox WHERE published_at IS NULL;

-- Its index goes with the column. Where an event was written is known from outbox_positions, by partition.
ALTER TABLE outbox DROP COLUMN published_at, DROP COLUMN "partition", DROP COLUMN "offset";

-- By order first: where orders lie beside each other their events do, and whoever asks names the order.
ALTER TABLE outbox DROP CONSTRAINT outbox_pkey;
ALTER TABLE outbox ADD PRIMARY KEY (order_id, event_id);

-- The state while it is UNRESOLVED, FENCING, ABANDONING or REVIEW, and null else. An index on the state itself
-- would have every step of every payment write to every index of the table.
ALTER TABLE payments ADD COLUMN waits_as text;
UPDATE payments SET waits_as = state WHERE state IN ('UNRESOLVED', 'FENCING', 'ABANDONING', 'REVIEW');
DROP INDEX payments_waiting;
CREATE INDEX payments_waiting ON payments (waits_as, order_id) WHERE waits_as IS NOT NULL;

-- The sweep's: paid orders in the order in which they were settled, page by page.
DROP INDEX orders_paid;
CREATE INDEX orders_paid ON orders (updated_at, id) WHERE status = 'PAID';

-- Pruning's: all of an order's findings.
CREATE INDEX findings_of_order ON findings (order_id);

-- Room on the page for the step that arms.
ALTER TABLE payments SET (fillfactor = 70);

-- A vacuum reads the indexes from end to end. After a share of the table that is as much for each order however
-- many there are; after a fixed number of rows it would grow with the table.
ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE payments SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05);
-- Emptied as fast as it is filled.
ALTER TABLE unpublished SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
