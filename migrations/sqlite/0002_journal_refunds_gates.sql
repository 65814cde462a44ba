-- The journal of every stored step; attempts that are abandoned for a next one; refunds, gates, findings,
-- and how far the request topic was handled: the same tables as in PostgreSQL.

-- A CHECK cannot be changed in place: the table is made anew with what it holds.
ALTER TABLE payments RENAME TO payments_before;

CREATE TABLE payments (
    order_id        text NOT NULL,
    attempt         integer NOT NULL CHECK (attempt > 0),
    version         integer NOT NULL DEFAULT 1,
    state           text NOT NULL CHECK (state IN
        ('PREPARING', 'CONFIRMING', 'UNRESOLVED', 'FENCING', 'ABANDONING', 'ABANDONED', 'SUCCEEDED', 'CANCELED', 'REVIEW')),
    flow            text NOT NULL,
    payment_method  text NOT NULL,
    customer        text,
    -- The gateway's name for the payment, and since when it may have been charged.
    reference       text,
    begun_at        integer NOT NULL,
    armed_at        integer,
    -- When it is to be looked at again; null where no one is to.
    due_at          integer,
    reason_code     text,
    reason_category text,
    reason_message  text,
    -- What contradicts what, under REVIEW.
    finding         text,
    -- Where the request came from.
    event_id        text,
    correlation_id  text,
    traceparent     text,
    requested_at    integer,
    PRIMARY KEY (order_id, attempt)
) STRICT;

INSERT INTO payments (order_id, attempt, state, flow, payment_method, customer, reference, begun_at, armed_at,
    due_at, reason_code, reason_category, reason_message, finding, event_id, correlation_id, traceparent, requested_at)
SELECT order_id, attempt, state, flow, payment_method, customer, reference, begun_at, armed_at,
    due_at, reason_code, reason_category, reason_message, finding, event_id, correlation_id, traceparent, requested_at
FROM payments_before;

DROP TABLE payments_before; -- And its index with it.

CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

-- What waits for the gateway's answer or for a person: few rows, whatever the table.
CREATE INDEX payments_waiting ON payments (state, order_id)
    WHERE state IN ('UNRESOLVED', 'FENCING', 'ABANDONING', 'REVIEW');

CREATE INDEX orders_paid ON orders (updated_at) WHERE status = 'PAID';

-- One row for each stored step of a payment, a refund or a gate. Rows are only ever added.
CREATE TABLE journal (
    -- Empty where the subject belongs to no order.
    order_id    text NOT NULL,
    -- payment/1, refund/UUID or gate/NAME.
    subject     text NOT NULL,
    -- The subject's own version once the step was stored: from 1, without gaps.
    version     integer NOT NULL,
    recorded_at integer NOT NULL,
    state       text NOT NULL,
    -- The requests that were sent, as a JSON array.
    exchanges   text,
    actor       text,
    note        text,
    PRIMARY KEY (order_id, subject, version)
) STRICT;

-- Attempts that were begun before there was a journal have their first entry, too.
INSERT INTO journal (order_id, subject, version, recorded_at, state, note)
SELECT order_id, 'payment/' || attempt, version, CAST(unixepoch('subsec') * 1000000 AS integer), state, 'stored before there was a journal' FROM payments;

CREATE TABLE refunds (
    id              blob PRIMARY KEY,
    version         integer NOT NULL,
    order_id        text NOT NULL,
    -- The gateway's name for the charge.
    reference       text NOT NULL,
    amount          text NOT NULL,
    currency        text NOT NULL,
    purpose         text NOT NULL,
    requested_by    text NOT NULL,
    requested_at    integer NOT NULL,
    state           text NOT NULL CHECK (state IN ('REQUESTED', 'SENDING', 'PENDING', 'SUCCEEDED', 'FAILED')),
    -- Under which of its keys it is sent, and when that key may have been used first.
    sending_number  integer,
    sending_since   integer,
    -- The gateway's name for the refund.
    name            text,
    reason_code     text,
    reason_category text,
    reason_message  text,
    due_at          integer
) STRICT;

CREATE INDEX refunds_of_order ON refunds (order_id, requested_at);
CREATE INDEX refunds_of_charge ON refunds (reference);
CREATE INDEX refunds_due ON refunds (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE gates (
    gateway       text PRIMARY KEY,
    version       integer NOT NULL,
    changed_at    integer NOT NULL,
    -- Null while it is open.
    closed_since  integer,
    closed_reason text,
    closed_by     text
) STRICT;

CREATE TABLE findings (
    id          blob PRIMARY KEY,
    kind        text NOT NULL,
    order_id    text NOT NULL,
    reference   text,
    detail      text NOT NULL,
    found_at    integer NOT NULL,
    -- Null while it is open.
    resolved_at integer,
    resolved_by text,
    resolution  text
) STRICT;

CREATE INDEX findings_open ON findings (found_at, id) WHERE resolved_at IS NULL;

CREATE TABLE handled_positions (
    group_id    text NOT NULL,
    topic       text NOT NULL,
    "partition" integer NOT NULL,
    next_offset integer NOT NULL,
    horizon     integer NOT NULL,
    PRIMARY KEY (group_id, topic, "partition")
) STRICT;
