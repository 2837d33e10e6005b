-- What the cases find: a role of an application and six vendors.  run passes the role.

-- Not the time zone of the programs, so that one that forgets about it is found out.
SELECT format('ALTER DATABASE %I SET TimeZone = %L', current_database(), 'Asia/Kathmandu') \gexec

CREATE EXTENSION vendor_routing;

GRANT EXECUTE ON FUNCTION
	vr_broadcast, vr_accept, vr_respond, vr_status, vr_history, vr_pause, vr_resume, vr_routing_id
TO :"role";
GRANT SELECT ON vr_routing_status, vr_vendor_offers TO :"role";

INSERT INTO vendor_routing.vendors
	(vendor_id, name, is_active, is_verified, products, average_rating)
VALUES
	('anna', 'Anna Foods', true, true, '{bread}', 4.8),
	('ben', 'Ben and Sons', true, true, '{bread}', 4.1),
	('cara', 'Cara Wholesale', true, true, '{bread}', 3.9),
	('dora', 'Dora, who is paused and resumed', true, true, '{cake}', 3),
	('eve', 'Eve, who has left', false, true, '{bread}', 5),
	('o''brien, "{x}" \ ü', 'A name that has everything', true, true, '{cake}', 3);
