// Owns the times on a page: in the reader's time zone, and relative to now by the server's clock.

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "m"],
  [1, "s"],
];
const GRACE = 2; // seconds by which a due time may be past before it is shown as overdue
const offsets = new Map(); // by server time (Unix seconds): milliseconds by which this clock is behind
const TIME = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const CLOCK = new Intl.DateTimeFormat(undefined, { ...TIME, second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { ...TIME, day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat(undefined, { ...TIME, day: "numeric", month: "short", year: "numeric" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

// Write the times below `root`; `serverTime` is that of the page, in Unix seconds.
export function writeTimes(root, serverTime) {
  if (!offsets.has(serverTime)) {
    offsets.clear();
    offsets.set(serverTime, serverTime * 1000 - Date.now());
  }
  const now = new Date(Date.now() + offsets.get(serverTime));
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    write(time.querySelector(".rel"), time.hasAttribute("data-coming") ? due(at, now) : relative(at, now));
    write(time.querySelector(".abs"), absolute(at, now));
    const whole = WHOLE.format(at);
    if (time.title !== whole) time.title = whole;
  }
}

function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

export function relative(at, now) {
  const seconds = (now - at) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

// The text for a due time, which is never "ago".
export function due(at, now) {
  const late = (now - at) / 1000;
  if (late >= GRACE) return `overdue by ${span(late)}`;
  return late < -1 ? relative(at, now) : "now";
}

// The two largest units: 3m 12s.
export function span(seconds) {
  let left = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [size, unit] of UNITS) {
    if (left >= size || parts.length) parts.push(`${Math.floor(left / size)}${unit}`);
    left %= size;
  }
  return parts.slice(0, 2).join(" ") || "0s";
}

function absolute(at, now) {
  if (at.toDateString() === now.toDateString()) return CLOCK.format(at);
  return (at.getFullYear() === now.getFullYear() ? DAY : YEAR).format(at);
}
