// Functions that run inside the browser: each stands alone, because only its text is sent there.

/** Whether Lab shows the notebook and its kernel waits for work. */
export function isOpenAndIdle(path) {
  const widget = globalThis.jupyterapp?.shell?.currentWidget;
  const kernel = widget?.sessionContext?.session?.kernel;
  return widget?.context?.path === path && widget.context.isReady && kernel?.status === 'idle';
}

/** What Lab shows and holds of every code cell, and what its kernel does. */
export function readNotebook() {
  const { content, sessionContext } = globalThis.jupyterapp.shell.currentWidget;
  const asText = (text) => [text ?? ''].flat().join('');
  const cells = content.widgets.flatMap((widget, index) => {
    const cell = widget.model.toJSON();
    if (cell.cell_type !== 'code' || asText(cell.source).trim() === '') return [];
    const { outputs } = cell;
    const error = outputs.find((output) => output.output_type === 'error');
    return [
      {
        index,
        source: asText(cell.source),
        prompt: widget.promptNode?.textContent ?? '',
        executionCount: cell.execution_count,
        texts: outputs.flatMap((output) => (output.data ? [asText(output.data['text/plain'])] : [])),
        stdout: outputs
          .filter((output) => output.name === 'stdout')
          .map((output) => asText(output.text))
          .join(''),
        stderr: outputs
          .filter((output) => output.name === 'stderr')
          .map((output) => asText(output.text))
          .join(''),
        error: error && `${error.ename}: ${error.evalue}`,
        charts: outputs.filter((output) => output.data?.['application/vnd.vegalite.v5+json']).length,
      },
    ];
  });
  return { kernel: sessionContext.session?.kernel?.status ?? 'none', cells };
}

/**
 * From now on: brings the cell that runs into view, as a reader would, and notes each new state of its outputs that
 * was on the screen while it ran. A finding per cell index in `labCheckSeen`.
 */
export function watchOutputs() {
  globalThis.labCheckSeen = {};
  globalThis.labCheckWatch?.();
  const { content } = globalThis.jupyterapp.shell.currentWidget;
  const findRunning = () => content.widgets.findIndex((widget) => widget.promptNode?.textContent === '[*]:');
  let shown = -1;
  const note = () => {
    const running = findRunning();
    if (running < 0) return;
    const widget = content.widgets[running];
    if (running !== shown) void content.scrollToItem(running, 'smart');
    shown = running;
    const area = widget.outputArea?.node;
    if (!area?.isConnected) return;
    const { top, bottom } = area.getBoundingClientRect();
    const text = area.innerText.trim();
    const seen = (globalThis.labCheckSeen[running] ??= []);
    if (text !== '' && text !== seen.at(-1) && bottom > 0 && top < globalThis.innerHeight) seen.push(text);
  };
  const observer = new MutationObserver(note);
  observer.observe(content.node, { subtree: true, childList: true, characterData: true });
  globalThis.labCheckWatch = () => observer.disconnect();
  note();
}

export function readSeen() {
  return globalThis.labCheckSeen ?? {};
}

/** Makes the cell the selected one and brings it into view. */
export async function selectCell(index) {
  const { content } = globalThis.jupyterapp.shell.currentWidget;
  content.activeCellIndex = index;
  content.deselectAll();
  await content.scrollToItem(index, 'center');
}

/** The index of the selected cell. */
export function readSelected() {
  return globalThis.jupyterapp.shell.currentWidget.content.activeCellIndex;
}

/** Each chart of a cell: its width, height, and how many of its pixels differ from its first one. */
export function measureCharts(index) {
  const { node } = globalThis.jupyterapp.shell.currentWidget.content.widgets[index];
  return [...node.querySelectorAll('.jp-RenderedVegaCommon5')].map((chart) => {
    const canvas = chart.querySelector('canvas');
    if (!canvas) return { width: 0, height: 0, ink: 0 };
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let ink = 0;
    for (let at = 0; at < data.length; at += 4)
      if (data[at] !== data[0] || data[at + 1] !== data[1] || data[at + 2] !== data[2] || data[at + 3] !== data[3])
        ink++;
    return { width: canvas.width, height: canvas.height, ink };
  });
}

/** The text of every table on the screen in a cell's outputs. */
export function readTables(index) {
  const { node } = globalThis.jupyterapp.shell.currentWidget.content.widgets[index];
  return [...node.querySelectorAll('.jp-OutputArea-output table')].map((table) =>
    [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim())),
  );
}

/** Sizes of all pictures on a page, each as WIDTHxHEIGHT. */
export function measurePictures() {
  return [...document.querySelectorAll('img')].map((image) => `${image.naturalWidth}x${image.naturalHeight}`);
}
