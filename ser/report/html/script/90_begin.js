addEventListener('hashchange', restore);
restore();
