// What a cell or a dot is of, beside the pointer: its words, and links to its runs where their address is known.
const tip = document.getElementById('tip');
const POINTED = 'td.number, .mark';
let pointed = null;

function wordsOf(element) {
  if (element.tagName === 'TD') {
    if (element.title) { element.dataset.words = element.title; element.removeAttribute('title'); }
    if (element.dataset.words) return element.dataset.words;
    const row = element.parentElement, head = element.closest('table').tHead.rows[0].cells[element.cellIndex];
    return `${row.querySelector('th.name')?.textContent ?? ''} · ${head.dataset.text ?? head.textContent}: ${plain(element)}`;
  }
  const title = element.querySelector('title');
  if (title) { element.dataset.words = title.textContent; title.remove(); }
  return element.dataset.words;
}

function point(element, x, y) {
  pointed = element;
  const listed = element.dataset.runs ?? element.closest('tr')?.querySelector('td.runs')?.textContent ?? '';
  const runs = listed.split(/\s+/).filter(Boolean);
  const lines = wordsOf(element).split('\n').filter((line) => !/^runs? /.test(line)).map((line) => make('p', {}, line));
  const links = runs.slice(0, 8).map((run) => make('li', {}, runAddress(run) ? make('a', { href: runAddress(run), target: '_blank', rel: 'noopener' }, run) : run));
  if (runs.length > 8) links.push(make('li', {}, `and ${runs.length - 8} more`));
  tip.replaceChildren(...lines, ...(links.length ? [make('p', {}, runs.length > 1 ? `${runs.length} runs` : 'run'), make('ul', {}, ...links)] : []));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 8, innerWidth - width - 8))}px`;
  tip.style.top = `${y + height + 16 > innerHeight ? Math.max(4, y - height - 8) : y + 8}px`;
}

function away() { pointed = null; tip.hidden = true; }

let leaving = 0;
document.addEventListener('pointerover', (event) => {
  const element = event.target.closest?.(POINTED);
  clearTimeout(leaving);
  if (element && element !== pointed) point(element, event.clientX, event.clientY);
  else if (!element && !tip.contains(event.target)) leaving = setTimeout(away, 250);
});
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') away(); });
document.addEventListener('scroll', away, { capture: true, passive: true });
document.addEventListener('click', (event) => {
  const mark = event.target.closest?.('.mark');
  const runs = (mark?.dataset.runs || '').split(' ').filter(Boolean);
  if (runs.length === 1 && runAddress(runs[0])) open(runAddress(runs[0]), '_blank', 'noopener');
});
