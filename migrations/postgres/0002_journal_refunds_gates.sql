-- The journal of every stored step; attempts that are abandoned for a next one; refunds, gates, findings,
-- and how far the request topic was handled. As before: no foreign keys, no sequences.

ALTER TABLE payments ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE payments DROP CONSTRAINT payments_state_check;
ALTER TABLE payments ADD CONSTRAINT payments_state_check CHECK (state IN
    ('PREPARING', 'CONFIRMING', 'UNRESOLVED', 'FENCING', 'ABANDONING', 'ABANDONED', 'SUCCEEDED', 'CANCELED', 'REVIEW'));

-- What waits for the gateway's answer or for a person: few rows, whatever the table.
CREATE INDEX payments_waiting ON payments (state, order_id)
    WHERE state IN ('UNRESOLVED', 'FENCING', 'ABANDONING', 'REVIEW');

CREATE INDEX orders_paid ON orders (updated_at) WHERE status = 'PAID';

-- One row for each stored step of a payment, a refund or a gate. Rows are only ever added.
CREATE TABLE journal (
    -- Empty where the subject belongs to no order.
    order_id    text COLLATE "C" NOT NULL,
    -- payment/1, refund/UUID or gate/NAME.
    subject     text COLLATE "C" NOT NULL,
    -- The subject's own version once the step was stored: from 1, without gaps.
    version     bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    state       text NOT NULL,
    -- The requests that were sent, as a JSON array.
    exchanges   text,
    actor       text,
    note        text,
    PRIMARY KEY (order_id, subject, version)
);

-- Attempts that were begun before there was a journal have their first entry, too.
INSERT INTO journal (order_id, subject, version, recorded_at, state, note)
SELECT order_id, 'payment/' || attempt, version, now(), state, 'stored before there was a journal' FROM payments;

CREATE TABLE refunds (
    id              uuid PRIMARY KEY,
    version         bigint NOT NULL,
    order_id        text COLLATE "C" NOT NULL,
    -- The gateway's name for the charge.
    reference       text COLLATE "C" NOT NULL,
    amount          numeric NOT NULL CHECK (amount > 0),
    currency        text NOT NULL,
    purpose         text NOT NULL,
    requested_by    text NOT NULL,
    requested_at    timestamptz NOT NULL,
    state           text NOT NULL CHECK (state IN ('REQUESTED', 'SENDING', 'PENDING', 'SUCCEEDED', 'FAILED')),
    -- Under which of its keys it is sent, and when that key may have been used first.
    sending_number  bigint,
    sending_since   timestamptz,
    -- The gateway's name for the refund.
    name            text,
    reason_code     text,
    reason_category text,
    reason_message  text,
    due_at          timestamptz
);

CREATE INDEX refunds_of_order ON refunds (order_id, requested_at);
CREATE INDEX refunds_of_charge ON refunds (reference);
CREATE INDEX refunds_due ON refunds (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE gates (
    gateway       text PRIMARY KEY,
    version       bigint NOT NULL,
    changed_at    timestamptz NOT NULL,
    -- Null while it is open.
    closed_since  timestamptz,
    closed_reason text,
    closed_by     text
);

CREATE TABLE findings (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL,
    order_id    text COLLATE "C" NOT NULL,
    reference   text,
    detail      text NOT NULL,
    found_at    timestamptz NOT NULL,
    -- Null while it is open.
    resolved_at timestamptz,
    resolved_by text,
    resolution  text
);

CREATE INDEX findings_open ON findings (found_at, id) WHERE resolved_at IS NULL;

CREATE TABLE handled_positions (
    group_id    text NOT NULL,
    topic       text NOT NULL,
    "partition" integer NOT NULL,
    next_offset bigint NOT NULL,
    horizon     bigint NOT NULL,
    PRIMARY KEY (group_id, topic, "partition")
);
