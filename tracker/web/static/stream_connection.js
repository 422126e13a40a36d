// Owns the connection to /api/stream and its status on the page: live, reconnecting, or offline since a time.

const SHOW_OFFLINE_AFTER = 8000; // milliseconds
const CLOSE_HIDDEN_AFTER = 60000; // milliseconds that a hidden page keeps its connection
const MAX_BACKOFF = 15000; // milliseconds

const CHIPS = {
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
    const query = new URLSearchParams(this.query);
    query.set("after", this.after);
    const source = new EventSource(`${document.body.dataset.basePath}/api/stream?${query}`);
    this.source = source;
    const onEvent = (event) => {
      if (event.lastEventId) this.after = event.lastEventId;
      this.onchange();
    };
    for (const type of ["message", ...this.types]) source.addEventListener(type, onEvent);
    source.addEventListener("reset", () => location.reload()); // the log was replaced, for example by a backup
    source.onopen = () => {
      this.failures = 0;
      this.connected();
    };
    source.onerror = () => {
      this.disconnected();
      if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects itself, after the last event
      this.reconnectLater();
      this.onchange(); // a refresh shows why: an expired session leads to the login
    };
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  reconnectLater() {
    clearTimeout(this.timer);
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), Math.min(MAX_BACKOFF, 500 * 2 ** this.failures));
  }

  setVisible(visible) {
    clearTimeout(this.hiddenTimer);
    if (visible && !this.source) this.open();
    if (!visible) this.hiddenTimer = setTimeout(() => this.close(), CLOSE_HIDDEN_AFTER);
  }

  // A refresh has failed although the stream reported no error: open another stream, which will report it.
  reconnectIfLost() {
    if (this.lostAt === null && this.source) {
      this.disconnected();
      this.reconnectLater();
    }
  }

  connected() {
    const wasLost = this.lostAt !== null;
    this.lostAt = null;
    clearTimeout(this.offlineTimer);
    this.show("live");
    if (wasLost) {
      if (this.offlineShown) this.announce("Connected again");
      this.onchange();
    }
    this.offlineShown = false;
  }

  disconnected() {
    if (this.lostAt !== null) return;
    this.lostAt = new Date();
    this.show("reconnecting");
    this.offlineTimer = setTimeout(() => {
      this.offlineShown = true;
      this.show("offline", this.lostAt.toLocaleTimeString());
      this.announce("The connection is lost; what you see may be old");
    }, SHOW_OFFLINE_AFTER);
  }

  show(state, more = "") {
    const [icon, tone, words] = CHIPS[state];
    this.chip.hidden = false;
    this.chip.className = `chip ${tone}`;
    this.chip.dataset.state = state;
    this.chip.querySelector("use").setAttribute("href", `#i-${icon}`);
    this.chip.querySelector("span").textContent = words + more;
  }

  announce(words) {
    document.querySelector("#announcement").textContent = words;
  }
}
