'use strict';
for (const group of document.querySelectorAll('.fig .hover')) {
  const svg = group.ownerSVGElement;
  const [left, top, width, height] = group.dataset.box.split(' ').map(Number);
  const xs = group.dataset.x.split('|');
  const lines = [...group.children].map(line => ({
    label: line.dataset.label, colour: line.dataset.c, values: line.dataset.y.split('|'),
  }));
  const hit = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  for (const [name, value] of Object.entries({ x: left, y: top, width, height, fill: 'transparent' })) {
    hit.setAttribute(name, value);
  }
  group.append(hit);
  let tip, rule;
  const away = () => { tip?.remove(); rule?.remove(); tip = rule = undefined; };
  hit.addEventListener('pointerleave', away);
  hit.addEventListener('pointermove', event => {
    const box = hit.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const at = Math.min(Math.floor(share * xs.length), xs.length - 1);
    if (!tip) {
      tip = document.createElement('div');
      tip.className = 'tip';
      rule = document.createElement('div');
      rule.className = 'rule';
      document.body.append(rule, tip);
    }
    tip.replaceChildren();
    const head = document.createElement('div');
    head.textContent = group.dataset.name + ' ' + xs[at];
    tip.append(head);
    for (const line of lines) {
      if (!line.values[at]) continue;
      const row = document.createElement('div'), key = document.createElement('span'), value = document.createElement('b');
      key.className = 'key c' + line.colour;
      value.textContent = line.values[at];
      row.append(key, value);
      if (line.label) row.append(' ' + line.label);
      tip.append(row);
    }
    const x = box.left + box.width * (at + .5) / xs.length;
    rule.style.cssText = `left:${x + scrollX}px;top:${box.top + scrollY}px;height:${box.height}px`;
    const right = x + tip.offsetWidth + 24 > document.documentElement.clientWidth;
    tip.style.left = `${scrollX + (right ? Math.max(x - tip.offsetWidth - 12, 4) : x + 12)}px`;
    tip.style.top = `${scrollY + box.top + 8}px`;
  });
}
