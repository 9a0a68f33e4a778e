// Switches for the whole page: one accuracy or both, and percent, shares, or points behind the best of a column.
const cellsOf = (table) => [...table.table.querySelectorAll('td.number[data-v]')];

function showMetric(metric) {
  for (const body of document.querySelectorAll('tbody[data-metric]')) body.hidden = Boolean(metric) && body.dataset.metric !== metric;
  const other = { wa: /(^|\s)UA($|\s)/, ua: /(^|\s)WA($|\s)/ }[metric];
  for (const table of tables) {
    if (table.table.querySelector('tbody[data-metric]')) continue;
    for (const [place, head] of table.heads.entries()) {
      const hide = Boolean(other) && head.classList.contains('number') && other.test(head.dataset.text);
      if (hide !== Boolean(head.dataset.other)) {
        head.dataset.other = hide ? 'yes' : '';
        for (const row of table.table.rows) if (row.cells[place] && !table.hidden.has(place)) row.cells[place].hidden = hide;
      }
    }
  }
}

function showUnit(unit) {
  for (const table of tables.filter((each) => each.table.dataset.unit === '%')) {
    const digits = +table.table.dataset.digits;
    const best = new Map();
    for (const cell of cellsOf(table)) {
      const key = `${cell.closest('tbody').dataset.metric || ''} ${cell.cellIndex}`;
      best.set(key, Math.max(best.get(key) ?? -Infinity, +cell.dataset.v));
    }
    for (const cell of cellsOf(table)) {
      const bold = cell.querySelector('b'), small = cell.querySelector('small');
      const text = bold.firstElementChild || bold;
      text.dataset.shown ??= text.textContent;
      if (small) { small.dataset.shown ??= small.textContent; small.hidden = unit === 'points'; }
      const key = `${cell.closest('tbody').dataset.metric || ''} ${cell.cellIndex}`;
      const behind = 100 * (+cell.dataset.v - best.get(key));
      text.textContent = unit === 'share' ? (+cell.dataset.v).toFixed(digits + 2) : unit === 'points' ? (behind < 0 ? `−${(-behind).toFixed(digits)}` : '0 (best)') : text.dataset.shown;
      if (small) small.textContent = unit === 'share' ? small.dataset.shown.replace(/-?\d+(\.\d+)?/g, (percent) => (percent / 100).toFixed(digits + 2)) : small.dataset.shown;
    }
  }
}

function choice(key, label, options, act) {
  const select = make('select', { 'aria-label': label }, ...options.map(([value, text]) => make('option', { value }, text)));
  let now = '';
  const change = (value) => { if (value !== now) { now = value; select.value = value; act(value); } };
  select.addEventListener('change', () => { change(select.value); keep(key, select.value); });
  restorers.push(() => change(options.some(([value]) => value === state.values.get(key)) ? state.values.get(key) : ''));
  return make('label', {}, `${label} `, select);
}

if (tables.length) {
  const metric = choice('metric', 'Accuracy', [['', 'WA and UA'], ['wa', 'WA'], ['ua', 'UA']], showMetric);
  const unit = choice('unit', 'Values', [['', 'percent'], ['share', '0 … 1'], ['points', 'points behind the best of the column']], showUnit);
  document.querySelector('.contents').before(make('div', { class: 'tools switches' }, metric, unit));
}
