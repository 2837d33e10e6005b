CREATE FUNCTION @extschema@.vr_tick(
	max integer DEFAULT 1000,
	OUT timed_out integer,
	OUT awarded integer,
	OUT waves_opened integer,
	OUT exhausted integer,
	OUT expired integer,
	OUT released integer,
	OUT resumed integer,
	OUT failed integer,
	OUT processed integer,
	OUT next_due timestamptz)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_tick';
COMMENT ON FUNCTION @extschema@.vr_tick(integer) IS
	'Does what is due, for at most so many orders: times out offers, opens waves, ends orders, releases who did not confirm, ends pauses; skips what others are working on';
REVOKE ALL ON FUNCTION @extschema@.vr_tick(integer) FROM PUBLIC;
