// Owns morphing the page's elements into new ones. Equal elements are not touched: focus and scroll positions stay.

const PRESERVED = "form.filters"; // the user may be typing in it

export function morph(old, target) {
  if (target.hasAttribute("data-same") || old.isEqualNode(target) || old.matches(PRESERVED)) return;
  morphAttributes(old, target);
  morphChildren(old, target);
}

function morphAttributes(old, target) {
  for (const { name } of [...old.attributes]) {
    if (!target.hasAttribute(name) && !isUserState(old, name)) old.removeAttribute(name);
  }
  for (const { name, value } of target.attributes) {
    if (old.getAttribute(name) !== value && !isUserState(old, name)) old.setAttribute(name, value);
  }
}

function isUserState(element, name) {
  return name === "open" && element.localName === "details";
}

function morphChildren(old, target) {
  const wanted = new Set([...target.children].map(key).filter((each) => each !== null));
  const keyed = new Map();
  for (const child of [...old.children]) {
    const name = key(child);
    if (name === null) continue;
    if (wanted.has(name) && !keyed.has(name)) keyed.set(name, child);
    else child.remove();
  }
  let at = old.firstChild;
  for (const next of [...target.childNodes]) {
    const found = key(next) === null ? nextSimilar(at, next) : keyed.get(key(next));
    if (!found && next.nodeType === Node.ELEMENT_NODE && next.hasAttribute("data-same")) throw new Error("an unchanged element is missing");
    if (!found) {
      old.insertBefore(imported(next), at);
      continue;
    }
    while (at && at !== found && key(at) === null) at = removeAndNext(at);
    if (at === found) at = at.nextSibling;
    else old.insertBefore(found, at);
    if (next.nodeType === Node.ELEMENT_NODE) morph(found, next);
    else if (found.nodeValue !== next.nodeValue) found.nodeValue = next.nodeValue;
  }
  while (at) at = removeAndNext(at);
}

// The next of the nodes from `at` on that has no key and is of the same kind, with no keyed one in between.
function nextSimilar(at, node) {
  for (; at && key(at) === null; at = at.nextSibling) {
    if (at.nodeType === node.nodeType && at.nodeName === node.nodeName) return at;
  }
  return null;
}

function removeAndNext(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function imported(node) {
  const made = document.importNode(node, true);
  if (key(made) !== null && (made.localName === "tr" || made.localName === "li")) made.classList.add("fresh");
  return made;
}

function key(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;
}
