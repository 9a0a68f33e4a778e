// The confusion matrix of any configuration.
function matrixTable(one) {
  const head = make('tr', {}, make('th', { scope: 'col' }, 'truth'), ...one.classes.map((name) => make('th', { scope: 'col' }, name)));
  const rows = one.counts.map((line, place) => {
    const total = line.reduce((sum, count) => sum + count, 0);
    const cells = line.map((count, column) => {
      const share = total ? (100 * count) / total : 0;
      const words = `${one.classes[place]} taken for ${one.classes[column]}: ${count} of ${total}`;
      return make('td', { style: `--share: ${share.toFixed(1)}%`, class: share > 50 ? 'dark' : '', title: words }, String(count), make('small', {}, `${share.toFixed(0)} %`));
    });
    return make('tr', {}, make('th', { scope: 'row' }, one.classes[place]), ...cells);
  });
  const name = `${one.heading}: ${one.title}`;
  return make('table', {}, make('caption', {}, name), make('thead', {}, head), make('tbody', {}, ...rows));
}

function accuracies(one) {
  let right = 0, all = 0;
  const recalls = [];
  for (const [place, line] of one.counts.entries()) {
    const total = line.reduce((sum, count) => sum + count, 0);
    right += line[place];
    all += total;
    if (total) recalls.push(line[place] / total);
  }
  const ua = recalls.reduce((sum, recall) => sum + recall, 0) / (recalls.length || 1);
  return `n = ${all}, WA ${((100 * right) / (all || 1)).toFixed(1)} %, UA ${(100 * ua).toFixed(1)} %`;
}

function matrixChooser(list) {
  const headings = [...new Set(list.map((one) => one.heading))];
  const where = make('select', { 'aria-label': 'Tested on' }, ...headings.map((name) => make('option', {}, name)));
  const which = make('select', { 'aria-label': 'Configuration' });
  const figure = make('figure', { class: 'matrix asked', id: 'matrix-asked' });
  const fill = () => which.replaceChildren(...list.filter((one) => one.heading === where.value).map((one) => make('option', {}, one.title)));
  const show = () => {
    const one = list.find((each) => each.heading === where.value && each.title === which.value);
    if (!one) return;
    const runs = one.runs.flatMap((run) => [runAddress(run) ? make('a', { href: runAddress(run) }, run) : run, ' ']);
    const name = `${one.heading}: ${one.title}`;
    figure.classList.toggle('wide', one.classes.length > 5);
    figure.replaceChildren(
      make('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': name }, matrixTable(one)),
      make('figcaption', {}, make('b', {}, one.heading), `: ${one.title}. ${accuracies(one)}`, ...(runs.length ? [make('br'), make('span', { class: 'mono' }, ...runs)] : [])),
    );
  };
  where.addEventListener('change', () => { fill(); show(); keep('matrix', `${where.value}|${which.value}`); });
  which.addEventListener('change', () => { show(); keep('matrix', `${where.value}|${which.value}`); });
  restorers.push(() => {
    const [heading, title] = (state.values.get('matrix') || '').split('|');
    if (headings.includes(heading)) where.value = heading;
    fill();
    if ([...which.options].some((option) => option.value === title)) which.value = title;
    show();
  });
  const tools = make('div', { class: 'tools' }, make('label', {}, 'Any other: tested on ', where), make('label', {}, 'configuration ', which));
  document.querySelector('.matrices').before(tools);
  document.querySelector('.matrices').prepend(figure);
}

if (data.confusions?.length) matrixChooser(data.confusions);
