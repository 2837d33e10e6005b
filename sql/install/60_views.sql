-- For the DBA and for reporting.  Grant what is needed to whom it is needed.

CREATE VIEW @extschema@.vr_routing_status AS
SELECT
	routing_id, order_id, retailer_id, product, amount, status, order_status,
	locked_vendor_id, locked_vendor_name, locked_at, version, round, wave,
	expires_at, total_vendors, accepted_count, rejected_count, timeout_count,
	error_count, pending_count, cancelled_count, created_at, updated_at,
	next_wave_at, releases, confirm_by, confirmed_at, outcome
FROM vendor_routing.routing_status;
COMMENT ON VIEW @extschema@.vr_routing_status IS
	'Every routing with its winner and the counts of its current round';
REVOKE ALL ON @extschema@.vr_routing_status FROM PUBLIC;

-- An open routing always has a next deadline, so that the partial index on it
-- finds the open ones among millions.
CREATE VIEW @extschema@.vr_open_routings AS
SELECT
	routing_id, order_id, retailer_id, product, amount, status, round, wave,
	next_deadline, expires_at, created_at,
	clock_timestamp() - created_at AS open_for,
	expires_at < clock_timestamp() AS overdue
FROM vendor_routing.routings
WHERE next_deadline IS NOT NULL AND status IN ('PENDING', 'EXHAUSTED');
COMMENT ON VIEW @extschema@.vr_open_routings IS
	'Orders that still look for a vendor: PENDING, and EXHAUSTED before their deadline';
REVOKE ALL ON @extschema@.vr_open_routings FROM PUBLIC;

CREATE VIEW @extschema@.vr_vendor_offers AS
SELECT
	r.vendor_id, r.routing_id, t.order_id, t.retailer_id, t.product, t.amount,
	t.latitude, t.longitude, t.payload, r.round, r.wave, r.rank, r.offered_at,
	r.expires_at, r.response, r.responded_at
FROM vendor_routing.responses AS r
JOIN vendor_routing.routings AS t
	ON t.routing_id = r.routing_id AND t.round = r.round
WHERE t.status = 'PENDING'
	AND (r.response IS NULL OR r.response = 'ACCEPT')
	AND r.expires_at > clock_timestamp();
COMMENT ON VIEW @extschema@.vr_vendor_offers IS
	'Live offers, the inbox of each vendor: what it could still win now';
REVOKE ALL ON @extschema@.vr_vendor_offers FROM PUBLIC;

CREATE VIEW @extschema@.vr_vendor_performance AS
SELECT
	v.vendor_id, v.name, v.is_active, v.is_verified, v.score, v.capacity,
	v.current_orders, v.total_orders, v.completed_orders, v.average_rating,
	v.reliability_score, n.offers, n.accepts, n.rejects, n.timeouts, n.errors,
	n.wins, n.average_response_time, v.rating_count,
	CASE WHEN v.paused_until > clock_timestamp() THEN v.paused_until END AS paused_until,
	CASE WHEN v.paused_until > clock_timestamp() THEN v.pause_reason END AS pause_reason
FROM vendor_routing.vendors AS v
CROSS JOIN LATERAL (
	SELECT
		count(*) AS offers,
		count(*) FILTER (WHERE r.response = 'ACCEPT') AS accepts,
		count(*) FILTER (WHERE r.response = 'REJECT') AS rejects,
		count(*) FILTER (WHERE r.response = 'TIMEOUT') AS timeouts,
		count(*) FILTER (WHERE r.response = 'ERROR') AS errors,
		count(*) FILTER (WHERE t.locked_vendor_id = v.vendor_id AND t.round = r.round) AS wins,
		avg(r.responded_at - r.offered_at)
			FILTER (WHERE r.response IN ('ACCEPT', 'REJECT')) AS average_response_time
	FROM vendor_routing.responses AS r
	JOIN vendor_routing.routings AS t ON t.routing_id = r.routing_id
	WHERE r.vendor_id = v.vendor_id
) AS n;
COMMENT ON VIEW @extschema@.vr_vendor_performance IS
	'Each vendor with what it was offered, what it answered and what it won';
REVOKE ALL ON @extschema@.vr_vendor_performance FROM PUBLIC;

CREATE VIEW @extschema@.vr_cancellations AS
SELECT
	t.order_id, c.routing_id, c.round, c.vendor_id, v.name AS vendor_name,
	c.reason, c.created_at, c.sent_at, c.confirmed_at
FROM vendor_routing.cancellations AS c
JOIN vendor_routing.routings AS t ON t.routing_id = c.routing_id
LEFT JOIN vendor_routing.vendors AS v ON v.vendor_id = c.vendor_id;
COMMENT ON VIEW @extschema@.vr_cancellations IS
	'Vendors who were told that an order is not theirs, and why';
REVOKE ALL ON @extschema@.vr_cancellations FROM PUBLIC;

CREATE VIEW @extschema@.vr_events AS
SELECT
	occurred_at, order_id, routing_id, event_type, vendor_id, payload, event_id
FROM vendor_routing.events;
COMMENT ON VIEW @extschema@.vr_events IS
	'The audit trail of all orders';
REVOKE ALL ON @extschema@.vr_events FROM PUBLIC;

CREATE VIEW @extschema@.vr_vendor_events AS
SELECT
	occurred_at, vendor_id, event_type, payload, event_id
FROM vendor_routing.vendor_events;
COMMENT ON VIEW @extschema@.vr_vendor_events IS
	'The audit trail of vendors: pauses, hours, blocklists';
REVOKE ALL ON @extschema@.vr_vendor_events FROM PUBLIC;

CREATE VIEW @extschema@.vr_policies AS
SELECT
	policy, waves, offer_ttl, confirm_within, updated_at
FROM vendor_routing.policies;
COMMENT ON VIEW @extschema@.vr_policies IS
	'Broadcast policies by name';
REVOKE ALL ON @extschema@.vr_policies FROM PUBLIC;

CREATE VIEW @extschema@.vr_blocklist AS
SELECT
	b.retailer_id, b.vendor_id, v.name AS vendor_name, b.reason, b.created_at
FROM vendor_routing.blocklist AS b
LEFT JOIN vendor_routing.vendors AS v ON v.vendor_id = b.vendor_id;
COMMENT ON VIEW @extschema@.vr_blocklist IS
	'Vendors that get no orders of a retailer';
REVOKE ALL ON @extschema@.vr_blocklist FROM PUBLIC;

CREATE VIEW @extschema@.vr_attachments AS
SELECT
	kind, relation, mapping, attached_at, search_path
FROM vendor_routing.attachments;
COMMENT ON VIEW @extschema@.vr_attachments IS
	'Tables of the application that the extension is kept in step with';
REVOKE ALL ON @extschema@.vr_attachments FROM PUBLIC;
