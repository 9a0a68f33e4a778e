// What the other parts share: elements, the page's data, and the state that the address keeps.
const data = JSON.parse(document.getElementById('data').textContent);
const SVG = Object.assign(document.createElement('div'), { innerHTML: '\x3csvg>\x3c/svg>' }).firstChild.namespaceURI;

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

function drawn(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The state lies behind the address's place: #results~sort=results:WA:down&hide=…; what is not set is not named.
const state = { place: '', values: new URLSearchParams() };

function readState() {
  const [place, values] = decodeURI(location.hash.slice(1)).split('~');
  state.place = place;
  state.values = new URLSearchParams(values || '');
}

function keep(key, value) {
  if (value) state.values.set(key, value);
  else state.values.delete(key);
  const values = state.values.toString();
  history.replaceState(null, '', `#${state.place}${values ? `~${values}` : ''}`);
}

const restorers = []; // each brings its part of the page into the state

function restore() {
  readState();
  for (const each of restorers) each();
  const target = state.place && document.getElementById(state.place);
  if (target) {
    for (let around = target; around; around = around.parentElement) if (around.tagName === 'DETAILS') around.open = true;
    target.scrollIntoView();
  }
}

function save(name, type, content) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = make('a', { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

const button = (text, label, onclick) => make('button', { type: 'button', 'aria-label': label, onclick }, text);
const runAddress = (run) => data.address && data.address.replace('{run}', run);
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach((each) => { each.open = true; }));
