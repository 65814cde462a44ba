-- Orders, the attempts to pay them, and the outcomes to be told: the same tables as in PostgreSQL.
-- Moments are microseconds since 1970 in UTC, amounts are decimal texts, ids sort by their bytes.

CREATE TABLE orders (
    id             text PRIMARY KEY,
    customer_email text NOT NULL,
    total_amount   text NOT NULL,
    currency       text NOT NULL,
    status         text NOT NULL CHECK (status IN ('PENDING', 'PAID', 'FAILED')),
    created_at     integer NOT NULL,
    updated_at     integer NOT NULL
) STRICT;

CREATE TABLE payments (
    order_id        text NOT NULL,
    attempt         integer NOT NULL CHECK (attempt > 0),
    state           text NOT NULL CHECK (state IN
        ('PREPARING', 'CONFIRMING', 'UNRESOLVED', 'FENCING', 'SUCCEEDED', 'CANCELED', 'REVIEW')),
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

CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE outbox (
    event_id     blob PRIMARY KEY,
    order_id     text NOT NULL,
    event_type   text NOT NULL,
    headers      text NOT NULL,
    payload      blob NOT NULL,
    created_at   integer NOT NULL,
    published_at integer,
    "partition"  integer,
    "offset"     integer
) STRICT;

CREATE INDEX outbox_unpublished ON outbox (created_at) WHERE published_at IS NULL;

CREATE TABLE outbox_positions (
    topic       text NOT NULL,
    "partition" integer NOT NULL,
    next_offset integer NOT NULL,
    PRIMARY KEY (topic, "partition")
) STRICT;

CREATE TABLE leases (
    name       text PRIMARY KEY,
    holder     text NOT NULL,
    expires_at integer NOT NULL
) STRICT;

-- The random name of this storage: one row, written by whoever asks for it first.
CREATE TABLE identity (
    id   integer PRIMARY KEY CHECK (id = 1),
    name text NOT NULL
) STRICT;
