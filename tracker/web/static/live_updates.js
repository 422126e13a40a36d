// Owns live updates of a page: the stream reports new events, and then the page is fetched again.

import { morph } from "./dom_morph.js";
import { Feed } from "./event_feed.js";
import { writeTimes } from "./relative_times.js";
import { Stream } from "./stream_connection.js";

const MIN_PAUSE = 1000; // milliseconds between two refreshes, at least; also five times the duration of a refresh
const page = document.body.dataset;

class Page {
  constructor() {
    this.duration = 0;
  }

  // Fetch the page as it is now, and change what is different.
  async refresh() {
    const began = performance.now();
    const fetched = await fetchPage(location.href, page.version);
    if (fetched) this.update(fetched);
    this.duration = performance.now() - began;
  }

  // Apply the changes. The server omits what this page should have; if it lacks that, the next refresh fetches everything.
  update(fetched) {
    page.version = "";
    document.title = fetched.title;
    page.now = fetched.body.dataset.now;
    writeTimes(fetched, page.now);
    for (const part of ["#main", "#overall"]) {
      const [old, target] = [document.querySelector(part), fetched.querySelector(part)];
      if (old && target) morph(old, target);
    }
    page.version = fetched.body.dataset.version;
  }
}

// The page at `address`, without what its `version` already has; null if nothing has changed.
export async function fetchPage(address, version) {
  const headers = { accept: "text/html", "x-page-version": version };
  const answer = await fetch(address, { headers, cache: "no-store" });
  if (answer.status === 401 || answer.redirected) location.reload(); // logged out
  if (!answer.ok) throw new Error(`${answer.status}`);
  if (answer.status === 204) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Returns a function that requests a refresh: one at a time, and none while the page is hidden.
function refresher(view, stream) {
  let running = false;
  let requested = false;
  let last = 0;
  let timer = 0;

  async function run() {
    timer = 0;
    running = true;
    requested = false;
    last = performance.now();
    try {
      await view.refresh();
    } catch {
      stream.reconnectIfLost();
    }
    running = false;
    if (requested) request();
  }

  function request() {
    requested = true;
    if (running || timer || document.hidden) return;
    const pause = Math.max(MIN_PAUSE, 5 * view.duration) - (performance.now() - last);
    timer = setTimeout(run, Math.max(0, pause));
  }

  return request;
}

function start() {
  writeTimes(document, page.now);
  setInterval(() => writeTimes(document, page.now), 1000);
  document.querySelector("#zone").textContent = "Times are in your time zone";
  if (!page.live) return;
  const view = page.live === "feed" ? new Feed(fetchPage) : new Page();
  const stream = new Stream(page.stream ?? "", page.after, page.types.split(" "));
  const refresh = refresher(view, stream);
  stream.onchange = refresh;
  if (page.every) setInterval(refresh, page.every * 1000);
  document.addEventListener("visibilitychange", () => {
    stream.setVisible(!document.hidden);
    if (!document.hidden) refresh();
  });
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (shown) => {
    if (!shown.persisted) return;
    stream.open();
    refresh();
  });
  stream.open();
}

start();
