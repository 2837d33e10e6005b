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

function choice(env, name, fallback, values) {
	const value = env[name] ?? fallback;
	if (!values.includes(value)) throw new Error(`${name} must be ${values.join(' or ')}`);
	return value;
}

const flag = (env, name, fallback) => choice(env, name, fallback, ['on', 'off']) === 'on';

/** @param {Record<string, string | undefined>} env */
export function readConfig(env) {
	const sends = flag(env, 'SENDER', 'on');
	// Both or none: without them there is no webhook.
	const verifyToken = env.WHATSAPP_VERIFY_TOKEN || undefined;
	const appSecret = env.WHATSAPP_APP_SECRET || undefined;
	if (!verifyToken !== !appSecret) throw new Error('WHATSAPP_VERIFY_TOKEN and WHATSAPP_APP_SECRET go together');
	// Who sends or answers has to say how: what is printed by mistake counts as sent.
	const transport = sends || appSecret || env.TRANSPORT ?
		choice(env, 'TRANSPORT', undefined, ['console', 'cloud_api']) : undefined;
	const whatsapp = transport === 'cloud_api';
	const channel = choice(env, 'SENDER_CHANNEL', whatsapp ? 'WHATSAPP' : 'all', ['all', 'WHATSAPP', 'APP']);
	return {
		host: text(env, 'HOST', '127.0.0.1'),
		port: number(env, 'PORT', 8080, 0, 65535),
		trustProxy: text(env, 'TRUST_PROXY', 'off'),
		logLevel: text(env, 'LOG_LEVEL', 'info'),
		// The database is found by PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD.
		// A request holds a connection while it waits for a race.
		poolSize: number(env, 'POOL_SIZE', 20, 2, 1000),
		poolTimeout: number(env, 'POOL_TIMEOUT_MS', 2000, 1, 60000),
		statementTimeout: number(env, 'STATEMENT_TIMEOUT_MS', 5000, 1, 600000),
		shutdownTimeout: number(env, 'SHUTDOWN_TIMEOUT_MS', 5000, 1, 600000),
		notify: flag(env, 'NOTIFY', 'off'),
		revealWinner: flag(env, 'REVEAL_WINNER', 'off'),
		requestsPerMinute: number(env, 'REQUESTS_PER_MINUTE', 600, 1, 1e9),
		transport,
		verifyToken,
		appSecret,
		cloudApi: {
			baseUrl: whatsapp ? text(env, 'CLOUD_API_URL') : '',
			version: text(env, 'CLOUD_API_VERSION', 'v20.0'),
			phoneNumberId: whatsapp ? text(env, 'CLOUD_API_PHONE_NUMBER_ID') : '',
			token: whatsapp ? text(env, 'CLOUD_API_TOKEN') : '',
			timeout: number(env, 'CLOUD_API_TIMEOUT_MS', 10000, 1, 600000),
		},
		sender: {
			enabled: sends,
			channel: channel === 'all' ? null : channel,
			pollInterval: number(env, 'POLL_INTERVAL_MS', 1000, 1, 60000),
			batch: number(env, 'SENDER_BATCH', 50, 1, 10000),
			concurrency: number(env, 'SENDER_CONCURRENCY', 10, 1, 1000),
			perSecond: number(env, 'SENDER_PER_SECOND', 50, 1, 10000),
			lease: number(env, 'SENDER_LEASE_MS', 60000, 1, 3600000),
		},
	};
}
