// Owns the connection to /api/stream, and showing how it is: live, reconnecting, or offline and since when.

const PATIENCE = 8000; // milliseconds until a lost connection is shown
const UNWATCHED = 60000; // milliseconds that a hidden page keeps its connection
const LONGEST = 15000;

const SIGNS = {
  live: ["live", "ok", "live"],
  reconnecting: ["progress", "warn", "reconnecting…"],
  offline: ["off", "bad", "offline since "],
};

export class Stream {
  constructor(query, after, types) {
    this.query = query;
    this.after = after;
    this.types = types;
    this.onchange = () => {};
    this.failures = 0;
    this.lostAt = null;
    this.chip = document.querySelector("#connection");
  }

  open() {
    this.close();
    const asked = new URLSearchParams(this.query);
    asked.set("after", this.after);
    const source = new EventSource(`${document.body.dataset.basePath}/api/stream?${asked}`);
    this.source = source;
    const heard = (event) => {
      if (event.lastEventId) this.after = event.lastEventId;
      this.onchange();
    };
    for (const type of ["message", ...this.types]) source.addEventListener(type, heard);
    source.addEventListener("reset", () => location.reload()); // the log was replaced: nothing here need be of it
    source.onopen = () => {
      this.failures = 0;
      this.found();
    };
    source.onerror = () => {
      this.lost();
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries by itself, from the last event on
      this.again();
      this.onchange(); // a refresh shows why: an expired session leads to the login
    };
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  again() {
    clearTimeout(this.timer);
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), Math.min(LONGEST, 500 * 2 ** this.failures));
  }

  watched(is) {
    clearTimeout(this.unwatched);
    if (is && !this.source) this.open();
    if (!is) this.unwatched = setTimeout(() => this.close(), UNWATCHED);
  }

  // A look has failed though the stream has not said that it is lost: open another, which tells.
  doubt() {
    if (this.lostAt === null && this.source) {
      this.lost();
      this.again();
    }
  }

  found() {
    const wasLost = this.lostAt !== null;
    this.lostAt = null;
    clearTimeout(this.telling);
    this.show("live");
    if (wasLost) {
      if (this.wasTold) this.say("Connected again");
      this.onchange();
    }
    this.wasTold = false;
  }

  lost() {
    if (this.lostAt !== null) return;
    this.lostAt = new Date();
    this.show("reconnecting");
    this.telling = setTimeout(() => {
      this.wasTold = true;
      this.show("offline", this.lostAt.toLocaleTimeString());
      this.say("The connection is lost; what you see may be old");
    }, PATIENCE);
  }

  show(state, more = "") {
    const [icon, tone, words] = SIGNS[state];
    this.chip.hidden = false;
    this.chip.className = `chip ${tone}`;
    this.chip.dataset.state = state;
    this.chip.querySelector("use").setAttribute("href", `#i-${icon}`);
    this.chip.querySelector("span").textContent = words + more;
  }

  say(words) {
    document.querySelector("#said").textContent = words;
  }
}
