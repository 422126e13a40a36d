// Owns keeping a page alive: one stream says that something has happened, the server renders the page again.

import { tell } from "./clock.js";
import { Feed } from "./feed.js";
import { morph } from "./morph.js";
import { Stream } from "./stream.js";

const SHORTEST = 1000; // milliseconds between two looks, or five times what a look takes
const page = document.body.dataset;

class Page {
  constructor() {
    this.took = 0;
  }

  // The page as the server has it now, put into place: what has not changed is not touched.
  async look() {
    const began = performance.now();
    const seen = await fetched(location.href, page.version);
    if (seen) this.put(seen);
    this.took = performance.now() - began;
  }

  // What has changed; the server leaves out what this page should have. Where it has not, the next look brings everything.
  put(seen) {
    page.version = "";
    document.title = seen.title;
    page.now = seen.body.dataset.now;
    tell(seen, page.now);
    for (const part of ["#main", "#overall"]) {
      const [is, shall] = [document.querySelector(part), seen.querySelector(part)];
      if (is && shall) morph(is, shall);
    }
    page.version = seen.body.dataset.version;
  }
}

// The changing part of the page at `address`, as far as it is not in `version` of it; null where nothing has changed.
export async function fetched(address, version) {
  const headers = { accept: "text/html", "x-page-version": version };
  const answer = await fetch(address, { headers, cache: "no-store" });
  if (answer.status === 401 || answer.redirected) location.reload(); // logged out
  if (!answer.ok) throw new Error(`${answer.status}`);
  if (answer.status === 204) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// One refresh after another, never two at once, and none while the page is hidden.
function looking(view, stream) {
  let running = false;
  let wanted = false;
  let last = 0;
  let timer = 0;

  async function run() {
    timer = 0;
    running = true;
    wanted = false;
    last = performance.now();
    try {
      await view.look();
    } catch {
      stream.doubt();
    }
    running = false;
    if (wanted) want();
  }

  function want() {
    wanted = true;
    if (running || timer || document.hidden) return;
    const pause = Math.max(SHORTEST, 5 * view.took) - (performance.now() - last);
    timer = setTimeout(run, Math.max(0, pause));
  }

  return want;
}

function start() {
  tell(document, page.now);
  setInterval(() => tell(document, page.now), 1000);
  document.querySelector("#zone").textContent = "Times are in your time zone";
  if (!page.live) return;
  const view = page.live === "feed" ? new Feed(fetched) : new Page();
  const stream = new Stream(page.stream ?? "", page.after, page.types.split(" "));
  const want = looking(view, stream);
  stream.onchange = want;
  if (page.every) setInterval(want, page.every * 1000);
  document.addEventListener("visibilitychange", () => {
    stream.watched(!document.hidden);
    if (!document.hidden) want();
  });
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (shown) => {
    if (!shown.persisted) return;
    stream.open();
    want();
  });
  stream.open();
}

start();
