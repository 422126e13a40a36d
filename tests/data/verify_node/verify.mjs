// Reads {secret, body, headers} as JSON from standard input and verifies it; exit status 0 where it is genuine.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { Webhook } = createRequire(process.cwd() + "/")("standardwebhooks");
const { secret, body, headers } = JSON.parse(readFileSync(0, "utf8"));
try {
  new Webhook(secret).verify(body, headers);
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
