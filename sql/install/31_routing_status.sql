-- What both vr_status() and the view vr_routing_status report; each of their
-- rules is here and nowhere else.

CREATE VIEW vendor_routing.routing_status AS
SELECT
	t.routing_id,
	t.order_id,
	t.retailer_id,
	t.product,
	t.amount,
	t.status,
	CASE t.status
		WHEN 'PENDING' THEN 'PENDING_BIDS'
		WHEN 'EXHAUSTED' THEN 'PENDING_BIDS'
		WHEN 'LOCKED' THEN 'VENDOR_ACCEPTED'
		WHEN 'COMPLETED' THEN coalesce(t.outcome, 'DELIVERED')
		WHEN 'CANCELLED' THEN 'CANCELLED'
		WHEN 'EXPIRED' THEN 'FAILED'
	END AS order_status,
	t.locked_vendor_id,
	w.name AS locked_vendor_name,
	t.locked_at,
	t.version,
	t.round,
	t.wave,
	t.expires_at,
	n.total_vendors,
	n.accepted_count,
	n.rejected_count,
	n.timeout_count,
	n.error_count,
	n.pending_count,
	n.cancelled_count,
	t.created_at,
	t.updated_at,
	t.next_wave_at,
	t.releases,
	t.confirm_by,
	t.confirmed_at,
	t.outcome
FROM vendor_routing.routings AS t
-- OFFSET 0: by its key, whatever the planner believes of the tables
LEFT JOIN LATERAL (
	SELECT w.name
	FROM vendor_routing.vendors AS w
	WHERE w.vendor_id = t.locked_vendor_id
	OFFSET 0
) AS w ON true
CROSS JOIN LATERAL (
	SELECT
		count(*)::integer AS total_vendors,
		count(*) FILTER (WHERE r.response = 'ACCEPT')::integer AS accepted_count,
		count(*) FILTER (WHERE r.response = 'REJECT')::integer AS rejected_count,
		count(*) FILTER (WHERE r.response = 'TIMEOUT')::integer AS timeout_count,
		count(*) FILTER (WHERE r.response = 'ERROR')::integer AS error_count,
		count(*) FILTER (WHERE r.response IS NULL AND c.vendor_id IS NULL)::integer AS pending_count,
		count(c.vendor_id)::integer AS cancelled_count
	FROM vendor_routing.responses AS r
	LEFT JOIN LATERAL (
		SELECT c.vendor_id
		FROM vendor_routing.cancellations AS c
		WHERE c.routing_id = r.routing_id AND c.round = r.round AND c.vendor_id = r.vendor_id
		OFFSET 0
	) AS c ON true
	WHERE r.routing_id = t.routing_id AND r.round = t.round
) AS n;
COMMENT ON VIEW vendor_routing.routing_status IS
	'Each routing with its winner and the counts of its current round';
REVOKE ALL ON vendor_routing.routing_status FROM PUBLIC;
