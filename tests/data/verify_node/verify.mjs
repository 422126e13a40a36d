// Reads {secret, body, headers} as JSON from standard input and verifies it with the library that is installed beside this file.
// Exit status 0 where it is genuine, else 1 and why on standard error.
import { Webhook } from "standardwebhooks";
import { readFileSync } from "node:fs";

const { secret, body, headers } = JSON.parse(readFileSync(0, "utf8"));
try {
  new Webhook(secret).verify(body, headers);
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
}
