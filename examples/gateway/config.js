// The configuration: environment variables, checked once.

function text(env, name, fallback) {
	const value = env[name] ?? fallback;
	if (value === undefined || value === '') throw new Error(`${name} must be set`);
	return value;
}

function number(env, name, fallback, min, max) {
	const value = Number(env[name] ?? fallback);
	if (!(value >= min && value <= max)) throw new Error(`${name} must be between ${min} and ${max}`);
	return value;
}

function flag(env, name, fallback) {
	const value = env[name] ?? fallback;
	if (value !== 'on' && value !== 'off') throw new Error(`${name} must be on or off`);
	return value === 'on';
}

/** @param {Record<string, string | undefined>} env */
export function readConfig(env) {
	const transport = text(env, 'TRANSPORT', 'console');
	if (!['console', 'cloud_api'].includes(transport)) throw new Error('TRANSPORT must be console or cloud_api');
	const whatsapp = transport === 'cloud_api';
	return {
		host: text(env, 'HOST', '127.0.0.1'),
		port: number(env, 'PORT', 8080, 0, 65535),
		logLevel: text(env, 'LOG_LEVEL', 'info'),
		// The database is found by PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD.
		// A request holds a connection while it waits for a race, a sender while it claims.
		poolSize: number(env, 'POOL_SIZE', 20, 2, 1000),
		poolTimeout: number(env, 'POOL_TIMEOUT_MS', 2000, 1, 60000),
		statementTimeout: number(env, 'STATEMENT_TIMEOUT_MS', 5000, 1, 600000),
		shutdownTimeout: number(env, 'SHUTDOWN_TIMEOUT_MS', 5000, 1, 600000),
		notify: flag(env, 'NOTIFY', 'off'),
		revealWinner: flag(env, 'REVEAL_WINNER', 'off'),
		requestsPerMinute: number(env, 'REQUESTS_PER_MINUTE', 600, 1, 1e9),
		transport,
		verifyToken: text(env, 'WHATSAPP_VERIFY_TOKEN', whatsapp ? undefined : 'demo-verify-token'),
		appSecret: text(env, 'WHATSAPP_APP_SECRET', whatsapp ? undefined : 'demo-app-secret'),
		cloudApi: {
			baseUrl: whatsapp ? text(env, 'CLOUD_API_URL') : '',
			version: text(env, 'CLOUD_API_VERSION', 'v20.0'),
			phoneNumberId: whatsapp ? text(env, 'CLOUD_API_PHONE_NUMBER_ID') : '',
			token: whatsapp ? text(env, 'CLOUD_API_TOKEN') : '',
			timeout: number(env, 'CLOUD_API_TIMEOUT_MS', 10000, 1, 600000),
		},
		sender: {
			enabled: flag(env, 'SENDER', 'on'),
			channel: env.SENDER_CHANNEL ?? (whatsapp ? 'WHATSAPP' : null),
			pollInterval: number(env, 'POLL_INTERVAL_MS', 1000, 1, 60000),
			batch: number(env, 'SENDER_BATCH', 50, 1, 10000),
			concurrency: number(env, 'SENDER_CONCURRENCY', 10, 1, 1000),
			perSecond: number(env, 'SENDER_PER_SECOND', 50, 1, 10000),
			lease: number(env, 'SENDER_LEASE_MS', 60000, 1, 3600000),
		},
	};
}
