// Owns changing what is there into what it shall be, touching nothing that is the same: no flicker, focus and scrolling stay.

const HELD = "form.filters"; // what a person may be typing into

export function morph(is, shall) {
  if (shall.hasAttribute("data-same") || is.isEqualNode(shall) || is.matches(HELD)) return;
  attributes(is, shall);
  children(is, shall);
}

function attributes(is, shall) {
  for (const { name } of [...is.attributes]) {
    if (!shall.hasAttribute(name) && !isTheReaders(is, name)) is.removeAttribute(name);
  }
  for (const { name, value } of shall.attributes) {
    if (is.getAttribute(name) !== value && !isTheReaders(is, name)) is.setAttribute(name, value);
  }
}

function isTheReaders(element, name) {
  return name === "open" && element.localName === "details";
}

function children(is, shall) {
  const wanted = new Set([...shall.children].map(key).filter((each) => each !== null));
  const keyed = new Map();
  for (const child of [...is.children]) {
    const name = key(child);
    if (name === null) continue;
    if (wanted.has(name) && !keyed.has(name)) keyed.set(name, child);
    else child.remove();
  }
  let at = is.firstChild;
  for (const next of [...shall.childNodes]) {
    const found = key(next) === null ? alike(at, next) : keyed.get(key(next));
    if (!found && next.nodeType === Node.ELEMENT_NODE && next.hasAttribute("data-same")) throw new Error("what is the same is not here");
    if (!found) {
      is.insertBefore(fresh(next), at);
      continue;
    }
    while (at && at !== found && key(at) === null) at = removed(at);
    if (at === found) at = at.nextSibling;
    else is.insertBefore(found, at);
    if (next.nodeType === Node.ELEMENT_NODE) morph(found, next);
    else if (found.nodeValue !== next.nodeValue) found.nodeValue = next.nodeValue;
  }
  while (at) at = removed(at);
}

// The next of the nodes from `at` on that has no key and is of the same kind, with no keyed one in between.
function alike(at, node) {
  for (; at && key(at) === null; at = at.nextSibling) {
    if (at.nodeType === node.nodeType && at.nodeName === node.nodeName) return at;
  }
  return null;
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function fresh(node) {
  const made = document.importNode(node, true);
  if (key(made) !== null && (made.localName === "tr" || made.localName === "li")) made.classList.add("fresh");
  return made;
}

function key(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;
}
