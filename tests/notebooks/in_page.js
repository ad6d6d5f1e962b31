// Runs in the page behind what is shown: tries what a reader could do, and measures what a reader sees.
const shown = [...document.querySelectorAll(".rcb, .rcb *")];

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (link && /^https?:/.test(link.href)) event.preventDefault(); // elsewhere is not to be visited
}, true);

function prod() {
  for (const element of shown) {
    for (const kind of ["mouseover", "mouseenter", "focus", "toggle", "load", "error", "begin", "animationend"]) {
      element.dispatchEvent(new Event(kind, { bubbles: true }));
    }
    if (element.focus) element.focus();
    element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  }
}

const parsed = (colour) => {
  const numbers = (colour.match(/[\d.]+/g) || []).map(Number);
  return numbers.length < 3 ? [0, 0, 0, 0] : [...numbers.slice(0, 3), numbers[3] ?? 1];
};
const over = (top, alpha, ground) => ground.map((part, at) => alpha * top[at] + (1 - alpha) * part);
const luminance = (colour) => {
  const [r, g, b] = colour.map((part) => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

function ground(element) {
  const above = [];
  for (let one = element; one; one = one.parentElement) above.unshift(one);
  return above.reduce((colour, one) => {
    const [r, g, b, alpha] = parsed(getComputedStyle(one).backgroundColor);
    return over([r, g, b], alpha, colour);
  }, [255, 255, 255]);
}

function seenThrough(element) {
  let opacity = 1;
  for (let one = element; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
  return opacity;
}

function measured() {
  const least = { text: 99, bar: 99 };
  for (const element of shown) {
    const style = getComputedStyle(element);
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const bar = element.tagName === "rect";
    if (element.tagName === "STYLE" || element.tagName === "title" || !(words || bar)) continue;
    const svg = element.namespaceURI.endsWith("svg");
    const ink = svg ? (style.fill === "none" ? style.stroke : style.fill) : style.color;
    const [r, g, b, alpha] = parsed(ink);
    const strength = alpha * seenThrough(element) * (svg ? Number(style.fillOpacity) : 1);
    const behind = ground(element);
    const kind = bar ? "bar" : "text";
    least[kind] = Math.min(least[kind], contrast(over([r, g, b], strength, behind), behind));
  }
  return least;
}

const least = measured();
prod();
setTimeout(() => {
  const ids = [...document.querySelectorAll("[id^=rcb]")].map((element) => element.id);
  Object.assign(document.body.dataset, {
    prodded: shown.length, title: document.title, text: least.text.toFixed(2), bar: least.bar.toFixed(2),
    twice: ids.length - new Set(ids).size, ids: ids.length, wide: document.querySelectorAll(".rcb").length &&
      Math.max(...[...document.querySelectorAll(".rcb")].map((element) => element.scrollWidth - element.clientWidth)),
  });
}, 1000);
