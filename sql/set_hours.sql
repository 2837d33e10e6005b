-- Working hours: local time of a week, past midnight and past Sunday.
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products)
VALUES ('h1', 'Hours 1', true, '{hours}');
SELECT vr_set_hours('h1', 'Europe/Berlin', '[{"days": [1, 2.0], "from": "09:00", "to": "18:00"}]');
SELECT time_zone, working_hours FROM vendor_routing.vendors WHERE vendor_id = 'h1';
SELECT vr_set_hours('h1', 'UTC', '[{"days": [7], "from": "22:00", "to": "02:00"}, {"days": [1], "from": "00:00", "to": "24:00"}]');
SELECT time_zone, working_hours FROM vendor_routing.vendors WHERE vendor_id = 'h1';
-- whole minutes, of which each begun one counts: neither closed nor a whole day
SELECT vr_set_hours('h1', 'UTC', '[{"days": [1], "from": "09:00:10", "to": "09:00:20"}, {"days": [2], "from": "09:00:40", "to": "23:59:59"}]');
SELECT time_zone, working_hours FROM vendor_routing.vendors WHERE vendor_id = 'h1';
SELECT vr_set_hours('h1', 'UTC', '[]');
SELECT vr_broadcast('h-1', 'retailer', 'hours');
SELECT vr_set_hours('h1', 'Asia/Kolkata', '[{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}]');
SELECT working_hours FROM vendor_routing.vendors WHERE vendor_id = 'h1';
SELECT vendor_count FROM vr_broadcast('h-1', 'retailer', 'hours');
-- a zone that is gone keeps it closed
UPDATE vendor_routing.vendors SET time_zone = 'Moon/Sea' WHERE vendor_id = 'h1';
SELECT vr_broadcast('h-2', 'retailer', 'hours');
SELECT vr_set_hours('h1', NULL, NULL);
SELECT time_zone, working_hours FROM vendor_routing.vendors WHERE vendor_id = 'h1';
SELECT vr_set_hours('h1', 'Moon/Sea', '[]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [0], "from": "09:00", "to": "18:00"}]');
\set VERBOSITY sqlstate
SELECT vr_set_hours('h1', 'UTC', '{}');
SELECT vr_set_hours('h1', 'UTC', '[1]');
SELECT vr_set_hours('h1', 'UTC', '[[{"days": [1], "from": "09:00", "to": "18:00"}]]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [[1]], "from": "09:00", "to": "18:00"}]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [1]}]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": ["1"], "from": "09:00", "to": "18:00"}]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [1], "from": "25:00", "to": "18:00"}]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [1], "from": "now", "to": "18:00"}]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [1], "from": "09:00+02", "to": "18:00"}]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [1], "from": 9, "to": "18:00"}]');
SELECT vr_set_hours('h1', 'UTC', '[{"days": [1], "from": "09:00", "to": "18:00", "until": "2027"}]');
SELECT vr_set_hours('h1', 'UTC', NULL);
SELECT vr_set_hours('h1', NULL, '[]');
SELECT vr_set_hours('nobody', 'UTC', '[]');
SELECT vr_set_hours(NULL, 'UTC', '[]');
\set VERBOSITY default
SELECT time_zone, working_hours FROM vendor_routing.vendors WHERE vendor_id = 'h1';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id = 'h1';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
