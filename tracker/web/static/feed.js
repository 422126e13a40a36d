// Owns the feed: new events come in at its end, and it follows them unless the reader has scrolled up.

import { tell } from "./clock.js";

const MOST = 500; // lines that are kept
const PAGES = 50; // that are fetched in one go
const NEAR = 40; // pixels from the end that still count as the end

export class Feed {
  constructor(fetched) {
    this.took = 0;
    this.fetched = fetched;
    this.pane = document.querySelector("#feed");
    this.entries = document.querySelector("#entries");
    this.jump = document.querySelector("#jump");
    this.follows = this.pane.hasAttribute("data-follows");
    this.last = document.body.dataset.after;
    this.unseen = 0;
    const chosen = this.entries.querySelector(".chosen");
    if (chosen) chosen.scrollIntoView({ block: "center" });
    else if (this.follows) this.toEnd();
    this.pane.addEventListener("scroll", () => this.atEnd() && this.caughtUp());
    this.jump.addEventListener("click", () => {
      this.toEnd();
      this.pane.focus();
    });
  }

  async look() {
    if (!this.follows) return;
    const began = performance.now();
    for (let pages = 0; pages < PAGES; pages += 1) {
      const address = new URL(location.href);
      address.searchParams.delete("around");
      address.searchParams.delete("before");
      address.searchParams.set("after", this.last);
      const page = await this.fetched(address, "");
      this.take(page);
      if (page.querySelector("#feed").hasAttribute("data-follows")) break;
    }
    this.took = performance.now() - began;
  }

  take(page) {
    const wasAtEnd = this.atEnd();
    document.body.dataset.now = page.body.dataset.now;
    tell(page, page.body.dataset.now);
    const came = [...page.querySelectorAll("#entries > li")].filter((each) => Number(each.dataset.key) > Number(this.last));
    for (const entry of came) this.entries.append(document.importNode(entry, true));
    this.last = page.body.dataset.after;
    const counted = page.querySelector("#counted");
    document.querySelector("#counted").textContent = counted.textContent;
    if (!came.length) return;
    document.querySelector("#none")?.remove();
    if (wasAtEnd) this.toEnd();
    else this.missed(came.length);
  }

  missed(count) {
    this.unseen += count;
    this.jump.hidden = false;
    this.jump.querySelector("span").textContent = `${this.unseen} new`;
  }

  caughtUp() {
    this.unseen = 0;
    this.jump.hidden = true;
  }

  atEnd() {
    return this.pane.scrollHeight - this.pane.scrollTop - this.pane.clientHeight < NEAR;
  }

  toEnd() {
    this.trim();
    this.pane.scrollTop = this.pane.scrollHeight;
    this.caughtUp();
  }

  // The oldest lines go, and the link to what is older moves along.
  trim() {
    while (this.entries.childElementCount > MOST) this.entries.firstElementChild.remove();
    const older = document.querySelector("#older");
    if (!older || !this.entries.firstElementChild) return;
    const address = new URL(older.href);
    address.searchParams.set("before", this.entries.firstElementChild.dataset.key);
    older.href = address;
  }
}
