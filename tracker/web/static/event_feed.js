// Owns the feed of events: new ones are appended, and it scrolls to them unless the reader has scrolled up.

import { writeTimes } from "./relative_times.js";

const MAX_LINES = 500;
const MAX_PAGES = 50; // that one refresh fetches
const NEAR = 40; // pixels from the end that still count as the end

export class Feed {
  constructor(fetchPage) {
    this.duration = 0;
    this.fetchPage = fetchPage;
    this.pane = document.querySelector("#feed");
    this.entries = document.querySelector("#entries");
    this.jump = document.querySelector("#jump");
    this.follows = this.pane.hasAttribute("data-follows");
    this.last = document.body.dataset.after;
    this.unseen = 0;
    const chosen = this.entries.querySelector(".chosen");
    if (chosen) chosen.scrollIntoView({ block: "center" });
    else if (this.follows) this.scrollToEnd();
    this.pane.addEventListener("scroll", () => this.atEnd() && this.showNoUnseen());
    this.jump.addEventListener("click", () => {
      this.scrollToEnd();
      this.pane.focus();
    });
  }

  async refresh() {
    if (!this.follows) return;
    const began = performance.now();
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const address = new URL(location.href);
      address.searchParams.delete("around");
      address.searchParams.delete("before");
      address.searchParams.set("after", this.last);
      const page = await this.fetchPage(address, "");
      this.append(page);
      if (page.querySelector("#feed").hasAttribute("data-follows")) break;
    }
    this.duration = performance.now() - began;
  }

  append(page) {
    const wasAtEnd = this.atEnd();
    document.body.dataset.now = page.body.dataset.now;
    writeTimes(page, page.body.dataset.now);
    const added = [...page.querySelectorAll("#entries > li")].filter((each) => Number(each.dataset.key) > Number(this.last));
    for (const entry of added) this.entries.append(document.importNode(entry, true));
    this.last = page.body.dataset.after;
    const counted = page.querySelector("#counted");
    document.querySelector("#counted").textContent = counted.textContent;
    if (!added.length) return;
    document.querySelector("#none")?.remove();
    if (wasAtEnd) this.scrollToEnd();
    else this.countUnseen(added.length);
  }

  countUnseen(count) {
    this.unseen += count;
    this.jump.hidden = false;
    this.jump.querySelector("span").textContent = `${this.unseen} new`;
  }

  showNoUnseen() {
    this.unseen = 0;
    this.jump.hidden = true;
  }

  atEnd() {
    return this.pane.scrollHeight - this.pane.scrollTop - this.pane.clientHeight < NEAR;
  }

  scrollToEnd() {
    this.trim();
    this.pane.scrollTop = this.pane.scrollHeight;
    this.showNoUnseen();
  }

  // Remove the oldest lines, and let the link to older events begin before the first that is left.
  trim() {
    while (this.entries.childElementCount > MAX_LINES) this.entries.firstElementChild.remove();
    const older = document.querySelector("#older");
    if (!older || !this.entries.firstElementChild) return;
    const address = new URL(older.href);
    address.searchParams.set("before", this.entries.firstElementChild.dataset.key);
    older.href = address;
  }
}
