// Tables: sorted by their heads, filtered, with the columns that are asked for.
const MOST_LINES = 1000; // that are laid out at once, until more are asked for

const number = (cell) => (cell.dataset.v === undefined ? parseFloat(cell.textContent.replace(/,/g, '')) : +cell.dataset.v);

class DataTable {
  constructor(table) {
    this.table = table;
    this.name = table.id;
    this.heads = [...table.tHead.rows[0].cells];
    this.bodies = [...table.tBodies];
    // A paper's numbers stay below the line that they belong to.
    this.units = this.bodies.flatMap((body) => {
      const units = [];
      for (const row of body.rows) {
        if (row.classList.contains('paper') && units.length) units.at(-1).rows.push(row);
        else units.push({ body, rows: [row], fits: true });
      }
      return units;
    });
    this.hidden = new Set();
    this.order = this.units;
    this.most = MOST_LINES;
    this.sortable();
    table.closest('.scroll').before(this.tools());
    this.cut();
    addEventListener('beforeprint', () => { this.most = Infinity; this.cut(); });
    restorers.push(() => this.restore());
  }

  // Shows the lines that fit what is asked for, the first of them where they are very many.
  cut() {
    let shown = 0;
    for (const unit of this.order) {
      const hide = !unit.fits || shown >= this.most;
      if (unit.rows[0].hidden !== hide) for (const row of unit.rows) row.hidden = hide;
      shown += unit.fits;
    }
    const all = this.units.length, text = shown < all ? `${shown} of ${all}` : '';
    this.count.textContent = shown > this.most ? `first ${this.most} of ${shown}` : text;
    this.more.hidden = shown <= this.most;
  }

  sortable() {
    for (const [place, head] of this.heads.entries()) {
      const text = head.textContent;
      head.replaceChildren(make('button', { type: 'button', class: 'sort', onclick: () => this.turn(place) }, text));
      head.dataset.text = text;
    }
  }

  turn(place) {
    const now = this.sorted && this.sorted.place === place ? this.sorted.down : null;
    const first = this.heads[place].classList.contains('number');
    this.sort(now === null ? { place, down: first } : now === first ? { place, down: !first } : null);
    keep(`sort.${this.name}`, this.sorted && `${place}${this.sorted.down ? 'd' : 'u'}`);
  }

  sort(order) {
    this.sorted = order;
    for (const head of this.heads) head.removeAttribute('aria-sort');
    this.table.classList.toggle('sorted', Boolean(order));
    if (!order) {
      this.order = this.units;
      for (const body of this.bodies) body.append(...this.units.filter((unit) => unit.body === body).flatMap((unit) => unit.rows));
      this.cut();
      return;
    }
    this.heads[order.place].setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
    const sign = order.down ? -1 : 1;
    const keys = new Map(this.units.map((unit) => {
      const cell = unit.rows[0].cells[order.place];
      const value = cell ? number(cell) : NaN;
      return [unit, { value, text: cell ? cell.textContent.trim() : '' }];
    }));
    const byText = !this.heads[order.place].classList.contains('number') && ![...keys.values()].every((k) => !k.text || k.text === '–' || !Number.isNaN(k.value));
    const compare = (a, b) => {
      const [one, other] = [keys.get(a), keys.get(b)];
      if (byText) return sign * one.text.localeCompare(other.text, undefined, { numeric: true });
      if (Number.isNaN(one.value) || Number.isNaN(other.value)) return Number.isNaN(one.value) - Number.isNaN(other.value);
      return sign * (one.value - other.value);
    };
    this.order = [...this.units].sort(compare);
    this.table.removeChild(this.bodies[0]); // one change of the page instead of one for every line
    this.bodies[0].append(...this.order.flatMap((unit) => unit.rows));
    this.cut();
    this.table.tHead.after(this.bodies[0]);
  }

  filter(words) {
    const asked = words.toLowerCase().split(/\s+/).filter(Boolean);
    for (const unit of this.units) {
      const text = asked.length ? unit.rows.map((row) => row.textContent).join(' ').toLowerCase() : '';
      unit.fits = asked.every((word) => text.includes(word));
    }
    this.table.classList.toggle('filtered', asked.length > 0);
    this.cut();
  }

  show(place, shown) {
    if (shown) this.hidden.delete(place);
    else this.hidden.add(place);
    for (const row of this.table.rows) if (row.cells[place]) row.cells[place].hidden = !shown;
  }

  tools() {
    this.words = make('input', { type: 'search', placeholder: 'Filter', 'aria-label': `Filter: ${this.table.caption.textContent}` });
    this.words.addEventListener('input', () => { this.filter(this.words.value); keep(`filter.${this.name}`, this.words.value); });
    this.count = make('span', { class: 'count', role: 'status' });
    this.more = button('Show all', `Show all lines: ${this.table.caption.textContent}`, () => { this.most = Infinity; this.cut(); });
    this.boxes = this.heads.map((head, place) => {
      const box = make('input', { type: 'checkbox', checked: true });
      box.addEventListener('change', () => { this.show(place, box.checked); keep(`hide.${this.name}`, [...this.hidden].join('.')); });
      return [box, make('label', {}, box, ` ${head.dataset.text}`)];
    });
    const columns = make('details', { class: 'columns' }, make('summary', {}, 'Columns'), make('div', {}, ...this.boxes.map(([, label]) => label)));
    const title = this.table.caption.textContent;
    return make('div', { class: 'tools' }, ...(this.units.length > 3 ? [this.words, this.count, this.more, columns] : []),
      button('CSV', `Download as CSV: ${title}`, () => save(`${this.name}.csv`, 'text/csv', csv(this))),
      button('LaTeX', `Download as LaTeX: ${title}`, () => save(`${this.name}.tex`, 'text/x-tex', latex(this))));
  }

  restore() {
    const order = state.values.get(`sort.${this.name}`);
    const sorted = order ? { place: parseInt(order, 10), down: order.endsWith('d') } : null;
    if (sorted && sorted.place < this.heads.length) this.sort(sorted);
    else if (this.sorted) this.sort(null);
    const words = state.values.get(`filter.${this.name}`) || '';
    if (words !== this.words.value) { this.words.value = words; this.filter(words); }
    const hidden = new Set((state.values.get(`hide.${this.name}`) || '').split('.').filter(Boolean).map(Number));
    for (const [place, [box]] of this.boxes.entries()) {
      if (box.checked === hidden.has(place)) { box.checked = !hidden.has(place); this.show(place, box.checked); }
    }
  }

  // Heads and lines as they are shown: texts of cells, or what is asked of each.
  lines(of) {
    const places = this.heads.map((_, place) => place).filter((place) => !this.hidden.has(place) && !this.heads[place].hidden);
    const rows = this.order.filter((unit) => unit.fits && !unit.body.hidden).flatMap((unit) => unit.rows);
    return [places.map((place) => this.heads[place].dataset.text), ...rows.map((row) => places.map((place) => of(row.cells[place])))];
  }
}

const plain = (cell) => {
  if (!cell) return '';
  const bold = cell.querySelector('b'), small = cell.querySelector('small');
  return bold ? `${bold.textContent}${small ? ` ${small.textContent}` : ''}` : cell.textContent.trim();
};

function csv(table) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return `${table.lines(plain).map((line) => line.map(quoted).join(',')).join('\n')}\n`;
}

const SIGNS = { μ: '$\\mu$', σ: '$\\sigma$', χ: '$\\chi$', '²': '$^2$', '−': '$-$', '–': '--', '±': '$\\pm$', '×': '$\\times$', '…': '\\dots{}', '→': '$\\rightarrow$', '≤': '$\\leq$', '≥': '$\\geq$', '·': '$\\cdot$', '•': '$\\bullet$', '“': '``', '”': "''", '’': "'" };
const TEX = { '\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}', '|': '\\textbar{}', '<': '\\textless{}', '>': '\\textgreater{}' };

function latex(table) {
  const tex = (text) => [...text].map((sign) => SIGNS[sign] || TEX[sign] || ('&%$#_{}'.includes(sign) ? `\\${sign}` : sign)).join('');
  const [heads, ...lines] = table.lines(plain).map((line) => `${line.map(tex).join(' & ')} \\\\`);
  const shape = table.lines(plain)[0].map((text) => (table.heads.find((head) => head.dataset.text === text).classList.contains('number') ? 'r' : 'l')).join('');
  const name = tex(table.table.caption.textContent.replace(/^Table \d+( by validation)?: /, ''));
  return ['% needs \\usepackage{booktabs}', '\\begin{table}', '\\centering', `\\caption{${name}}`, `\\label{tab:${table.name}}`, `\\begin{tabular}{${shape}}`, '\\toprule', heads, '\\midrule', ...lines, '\\bottomrule', '\\end{tabular}', '\\end{table}', ''].join('\n');
}

const tables = [...document.querySelectorAll('table.data')].map((table) => new DataTable(table));
