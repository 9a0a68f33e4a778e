// Learning curves of any run, drawn on demand from what it logged.
const COLOURS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'];
const DASHES = ['', '6 3', '2 2', '8 3 2 3', '10 4', '1 4'];
const SIZE = { width: 960, height: 300, left: 52, right: 12, top: 10, bottom: 38 };

function ticks(low, high, count, whole) {
  const rough = (high - low || 1) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough), whole ? 1 : 0);
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) all.push(+value.toPrecision(10));
  return all;
}

function chart(lines, quantity) {
  const values = lines.flatMap((line) => line.values.filter((value) => value !== null));
  const low = Math.min(...values), high = Math.max(...values), epochs = Math.max(2, ...lines.map((line) => line.values.length));
  const x = (epoch) => SIZE.left + ((epoch - 1) / (epochs - 1)) * (SIZE.width - SIZE.left - SIZE.right);
  const y = (value) => SIZE.height - SIZE.bottom - ((value - low) / (high - low || 1)) * (SIZE.height - SIZE.top - SIZE.bottom);
  const text = (content, attributes) => drawn('text', { 'font-size': 12, fill: 'currentColor', 'font-family': 'system-ui, sans-serif', ...attributes }, content);
  const label = `${quantity} per epoch: ${lines.map((line) => line.title).join('; ')}`;
  const svg = drawn('svg', { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: 'img', 'aria-label': label });
  for (const value of ticks(low, high, 5, false)) {
    svg.append(drawn('line', { x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: y(value), y2: y(value), stroke: 'currentColor', 'stroke-opacity': 0.15 }));
    svg.append(text(String(value), { x: SIZE.left - 6, y: y(value) + 4, 'text-anchor': 'end' }));
  }
  for (const epoch of ticks(1, epochs, 8, true)) svg.append(text(String(epoch), { x: x(epoch), y: SIZE.height - SIZE.bottom + 16, 'text-anchor': 'middle' }));
  svg.append(text('epoch', { x: (SIZE.left + SIZE.width) / 2, y: SIZE.height - 4, 'text-anchor': 'middle' }));
  for (const [place, line] of lines.entries()) {
    const path = line.values.map((value, epoch) => (value === null ? '' : `${epoch && line.values[epoch - 1] !== null ? 'L' : 'M'}${x(epoch + 1).toFixed(1)} ${y(value).toFixed(1)}`)).join('');
    const group = drawn('g', { class: 'marks', 'data-series': line.title });
    group.append(drawn('path', { d: path, fill: 'none', stroke: COLOURS[place % COLOURS.length], 'stroke-width': 1.6, 'stroke-dasharray': DASHES[place % DASHES.length] }));
    for (const [epoch, value] of line.values.entries()) {
      if (value === null) continue;
      const mark = drawn('g', { class: 'mark', 'data-runs': line.run }, drawn('title', {}, `${line.title}\n${quantity} ${value}, epoch ${epoch + 1}`));
      mark.append(drawn('circle', { cx: x(epoch + 1), cy: y(value), r: 5, fill: COLOURS[place % COLOURS.length], 'fill-opacity': line.values.length > 60 ? 0 : 0.35 }));
      group.append(mark);
    }
    svg.append(group);
  }
  return svg;
}

function curveChooser(runs) {
  const section = document.getElementById('learning-curves');
  const quantities = [...new Set(runs.flatMap((run) => Object.keys(run.values)))];
  const quantity = make('select', { 'aria-label': 'Quantity' }, ...quantities.map((name) => make('option', {}, name)));
  const byTitle = new Map(runs.map((run) => [`${run.title} (${run.run.slice(0, 8)})`, run]));
  const list = make('select', { 'aria-label': 'Runs', multiple: true, size: 6 }, ...[...byTitle.keys()].map((title) => make('option', {}, title)));
  const scroll = make('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Learning curves' });
  const caption = make('figcaption');
  const figure = make('figure', { class: 'drawn', 'data-name': 'learning_curves' }, scroll, caption);
  const show = () => {
    const chosen = [...list.selectedOptions].slice(0, COLOURS.length).map((option) => byTitle.get(option.value));
    const lines = chosen.filter((run) => run.values[quantity.value]?.length).map((run) => ({ title: run.title, run: run.run, values: run.values[quantity.value] }));
    scroll.replaceChildren(...(lines.length ? [chart(lines, quantity.value)] : ['None of these runs logged it.']));
    caption.replaceChildren(`${quantity.value} per epoch: `, ...lines.flatMap((line, place) => {
      const sample = drawn('svg', { viewBox: '0 0 30 8', class: 'sample', 'aria-hidden': 'true' }, drawn('path', { d: 'M0 4H30', stroke: COLOURS[place], 'stroke-width': 2, 'stroke-dasharray': DASHES[place] }));
      const name = runAddress(line.run) ? make('a', { href: runAddress(line.run) }, line.title) : line.title;
      return [sample, ' ', name, place < lines.length - 1 ? '; ' : ''];
    }));
  };
  const changed = () => { show(); keep('curves', [quantity.value, ...[...list.selectedOptions].map((option) => byTitle.get(option.value).run)].join('|')); };
  quantity.addEventListener('change', changed);
  list.addEventListener('change', changed);
  restorers.push(() => {
    const [name, ...ids] = (state.values.get('curves') || '').split('|');
    if (quantities.includes(name)) quantity.value = name;
    else quantity.value = quantities.find((each) => each === 'val/loss') || quantities[0];
    const known = ids.filter((id) => runs.some((run) => run.run === id));
    for (const [place, option] of [...list.options].entries()) option.selected = known.length ? known.includes(byTitle.get(option.value).run) : place === 0;
    show();
  });
  section.append(make('div', { class: 'tools' }, make('label', {}, 'Quantity ', quantity), make('label', { class: 'runs' }, `Runs, up to ${COLOURS.length} `, list), ...figureTools(figure, 'learning_curves', 'learning curves')), figure);
  section.hidden = false;
}

if (data.curves?.length) curveChooser(data.curves);
