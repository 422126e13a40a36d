// A receiver of webhooks: it verifies each event, stores it once, answers, and works on it afterwards.
//
//     npm install standardwebhooks
//     WEBHOOK_SECRET=whsec_… node receiver.mjs
//
// An event that was answered with 204 is in the inbox on the disk: a crash of this program loses none.

import { appendFileSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const host = process.env.HOST ?? "127.0.0.1";
const port = Number(process.env.PORT ?? 8080);
const folder = process.env.INBOX ?? ".";
const largest = 1024 * 1024;
const webhook = new Webhook(process.env.WEBHOOK_SECRET);

// Your work. It runs again if this program ends before it returns, so make it repeatable.
async function handle(event) {
  console.log(JSON.stringify([event.id, event.type, event.data.id ?? null, event.outcome ?? null]));
}

// An append-only file of JSON lines; a line that a crash or a full disk cut short is skipped.
function journal(name) {
  const file = openSync(`${folder}/${name}`, "a+");
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
  const append = (value) => {
    appendFileSync(file, `\n${JSON.stringify(value)}\n`);
    fsyncSync(file); // a 204 is a promise
  };
  return { lines, append };
}

const inbox = journal("inbox.jsonl");
const done = journal("done.jsonl");
const seen = new Set(inbox.lines.map((event) => event.id));
const over = new Set(done.lines);
const todo = inbox.lines.filter((event) => !over.has(event.id));
let working = false;

async function work() {
  if (working) return;
  working = true;
  while (todo.length) {
    await handle(todo[0]);
    done.append(todo.shift().id);
  }
  working = false;
}

async function receive(request) {
  if (request.method !== "POST") return 405;
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > largest) return 413;
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks).toString("utf8");
  try {
    webhook.verify(body, request.headers);
  } catch {
    return 401;
  }
  const event = JSON.parse(body);
  if (!seen.has(event.id)) {
    inbox.append(event); // an event may come twice, with the same id
    seen.add(event.id);
    todo.push(event);
  }
  return 204;
}

const server = createServer((request, response) => {
  receive(request)
    .then((status) => {
      response.writeHead(status, status === 413 ? { connection: "close" } : {}).end();
      setImmediate(work);
    })
    .catch(() => response.destroy()); // without an answer it is retried
});
server.requestTimeout = 10_000;
server.listen(port, host, () => {
  console.log(`receiving on http://${host}:${server.address().port}`);
  work();
});
