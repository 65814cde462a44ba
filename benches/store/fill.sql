WITH numbers AS (
    SELECT n, CASE WHEN $3 THEN md5('order' || n)::uuid::text ELSE 'ord-1-' || lpad(n::text, 12, '0') END AS id,
        'pi_' || md5('charge' || n) AS reference,
        now() - interval '400 days' + ((n + 1) * interval '3 seconds') AS at
    FROM generate_series($1::bigint, $2::bigint - 1) AS n
), stored_orders AS (
    INSERT INTO orders (id, customer_email, total_amount, currency, status, created_at, updated_at)
    SELECT id, 'customer-' || n || '@example.com', 49.90, 'EUR', CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'PAID' END,
        at, at + interval '1 second'
    FROM numbers
), stored_payments AS (
    INSERT INTO payments (order_id, attempt, state, flow, payment_method, reference, begun_at, armed_at,
        event_id, correlation_id, traceparent, requested_at, reason_code, reason_category, reason_message, version)
    SELECT id, 1, CASE WHEN n % 20 = 0 THEN 'CANCELED' ELSE 'SUCCEEDED' END, 'two-step', 'pm_card_visa', reference, at, at,
        md5('event' || n)::uuid::text, 'cart-' || n, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', at,
        CASE WHEN n % 20 = 0 THEN 'card_declined' END, CASE WHEN n % 20 = 0 THEN 'soft_decline' END,
        CASE WHEN n % 20 = 0 THEN 'the card was declined' END, 3
    FROM numbers
), stored_outcomes AS (
    INSERT INTO outbox (event_id, order_id, event_type, headers, payload, created_at)
    SELECT md5('outcome' || n)::uuid, id, CASE WHEN n % 20 = 0 THEN 'payment-failed' ELSE 'payment-paid' END,
        '[["ce_specversion","1.0"],["ce_type","payment-paid"],["ce_source","order-payments"],["ce_id","'
            || md5('outcome' || n)::uuid || '"],["ce_time","2026-01-01T00:00:00.000000Z"],["content-type","application/json"]]',
        convert_to('{"order_id":"' || id || '","status":"PAID","total_amount":"49.90","currency":"EUR","attempt":1,'
            || '"payment_reference":"' || reference || '","occurred_at":"2026-01-01T00:00:00.000000Z"}', 'UTF8'),
        at
    FROM numbers
)
INSERT INTO journal (order_id, subject, version, recorded_at, state, exchanges)
SELECT id, 'payment/1', version, at, state,
    '[{"operation":"charge","key":"' || id || ':1:charge","digest":"'
        || md5('exchange' || n) || '","status":200,"request_id":"req_Y4gqkPbxjsXyzw","replayed":false,'
        || '"class":"approved","took_ms":212}]'
FROM numbers, (VALUES (2, 'CONFIRMING'), (3, 'SUCCEEDED')) AS entries (version, state)
