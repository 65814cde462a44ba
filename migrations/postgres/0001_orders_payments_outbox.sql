-- Orders, the attempts to pay them, and the outcomes to be told. No foreign keys and no sequences,
-- so that a distributed SQL database can hold these tables as well. Ids sort by their bytes.

CREATE TABLE orders (
    id             text COLLATE "C" PRIMARY KEY,
    customer_email text NOT NULL,
    total_amount   numeric NOT NULL CHECK (total_amount > 0),
    currency       text NOT NULL,
    status         text NOT NULL CHECK (status IN ('PENDING', 'PAID', 'FAILED')),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);

CREATE TABLE payments (
    order_id        text COLLATE "C" NOT NULL,
    attempt         bigint NOT NULL CHECK (attempt > 0),
    state           text NOT NULL CHECK (state IN
        ('PREPARING', 'CONFIRMING', 'UNRESOLVED', 'FENCING', 'SUCCEEDED', 'CANCELED', 'REVIEW')),
    flow            text NOT NULL,
    payment_method  text NOT NULL,
    customer        text,
    -- The gateway's name for the payment, and since when it may have been charged.
    reference       text,
    begun_at        timestamptz NOT NULL,
    armed_at        timestamptz,
    -- When it is to be looked at again; null where no one is to.
    due_at          timestamptz,
    reason_code     text,
    reason_category text,
    reason_message  text,
    -- What contradicts what, under REVIEW.
    finding         text,
    -- Where the request came from.
    event_id        text,
    correlation_id  text,
    traceparent     text,
    requested_at    timestamptz,
    PRIMARY KEY (order_id, attempt)
);

CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE outbox (
    event_id     uuid PRIMARY KEY,
    order_id     text COLLATE "C" NOT NULL,
    event_type   text NOT NULL,
    headers      text NOT NULL,
    payload      bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    published_at timestamptz,
    "partition"  integer,
    "offset"     bigint
);

CREATE INDEX outbox_unpublished ON outbox (created_at, event_id) WHERE published_at IS NULL;

CREATE TABLE outbox_positions (
    topic       text NOT NULL,
    "partition" integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, "partition")
);

CREATE TABLE leases (
    name       text PRIMARY KEY,
    holder     text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- The random name of this storage: one row, written by whoever asks for it first.
CREATE TABLE identity (
    id   integer PRIMARY KEY CHECK (id = 1),
    name text NOT NULL
);
