// Starts the service, and ends it on SIGTERM or SIGINT.

import { buildApp } from './app.js';
import { readConfig } from './config.js';

const config = readConfig(process.env);
const app = await buildApp(config);

for (const signal of ['SIGTERM', 'SIGINT']) {
	process.once(signal, async () => {
		app.log.info({ signal }, 'stopping');
		await app.close();
		process.exit(0);
	});
}
await app.listen({ host: config.host, port: config.port });
