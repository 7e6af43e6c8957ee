"""Runs one notebook from top to bottom without a browser, showing live what its cells print.

Writes OUT/NAME.ipynb (also when a cell failed: up to there) and OUT/NAME.html; of a rehearsal, both names and the
page's title begin with REHEARSAL. Exit code 0: every cell ran; 1: a cell failed, named on the terminal; 130 or 143:
interrupted. The kernel never outlives this program.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from render import external_references, render_page
from terminal import WORTH_SAYING_S, Terminal

# After an interrupt a cell has this long to end by itself; then the kernel is shut down under it.
INTERRUPT_GRACE_S = 5.0
# jupyter_client asks, then terminates after half of this, then kills.
SHUTDOWN_S = 2.0
# The same signal may come twice: from the terminal and from the program that started this one.
SAME_SIGNAL_S = 1.0
PARENT_CHECK_S = 0.5


class LiveClient(NotebookClient):
    """Executes cells as nbclient does, and shows each message on the terminal when it arrives."""

    def __init__(self, notebook, terminal, **options):
        super().__init__(notebook, **options)
        self.terminal = terminal
        self.failed_reply = None
        self.on_cell_error = self._keep_reply
        self.on_cell_executed = self._end_cell
        self.held_errors = []
        self.cell_of_display = {}
        self.filled_later = {}  # what a cell above was given by a cell below: its last text, by display id

    def _keep_reply(self, cell, cell_index, execute_reply):
        self.failed_reply = execute_reply["content"]

    def _end_cell(self, cell, cell_index, execute_reply):
        # The kernel writes an error to stderr and names it in its reply: once is enough, and the reply says more.
        if execute_reply["content"]["status"] == "ok":
            for text in self.held_errors:
                self.terminal.text(text)
        self.held_errors = []

    def process_message(self, msg, cell, cell_index):
        self._show(msg["msg_type"], msg["content"], cell_index)
        return super().process_message(msg, cell, cell_index)

    def _show(self, msg_type, content, cell_index):
        if msg_type == "stream" and content["name"] == "stderr":
            self.held_errors.append(content["text"])
        elif msg_type == "stream":
            self.terminal.text(content["text"])
        elif msg_type in ("display_data", "update_display_data", "execute_result"):
            data = content.get("data", {})
            text = data.get("text/plain") or data.get("text/markdown")
            if not text:
                return
            display_id = (content.get("transient") or {}).get("display_id")
            if not display_id:
                self.terminal.line(text)
            elif self.cell_of_display.setdefault(display_id, cell_index) == cell_index:
                self.terminal.progress(text)
            else:
                self.filled_later[display_id] = text


class Run:
    """One execution of a notebook: its kernel, its client, and what ended it."""

    def __init__(self, notebook, root, terminal):
        self.notebook = notebook
        self.root = root
        self.terminal = terminal
        self.signal = None
        self.signal_at = 0.0
        self.client = None
        self.failure = None  # (cell number, cell, the kernel's reply or what was raised here)
        self.current = (0, None)
        self.kernel = AsyncKernelManager(kernel_name=notebook.metadata.kernelspec.name, shutdown_wait_time=SHUTDOWN_S)

    async def execute(self):
        loop = asyncio.get_running_loop()
        cells = asyncio.create_task(self._execute_cells())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop, number, cells)
        watch = asyncio.create_task(self._watch_parent(cells))
        try:
            await asyncio.wait({cells})
            if not cells.cancelled() and cells.exception() is not None and self.signal is None:
                reply = self.client.failed_reply if self.client else None
                self.failure = (*self.current, reply or cells.exception())
        finally:
            watch.cancel()
            self.terminal.end_cell()
            await self._shut_down()

    async def _execute_cells(self):
        await self.kernel.start_kernel(cwd=str(self.root))
        client = self.client = LiveClient(self.notebook, self.terminal, km=self.kernel, timeout=None)
        await client.async_start_new_kernel_client()
        try:
            await self._read_language(client)
            total = len(self.notebook.cells)
            section = ""
            for index, cell in enumerate(self.notebook.cells):
                self.current = (index + 1, cell)
                section = heading_of(cell) or section
                if cell.cell_type == "code" and cell.source.strip():
                    self.terminal.line(f"[cell {index + 1}/{total}] {section}".rstrip())
                    await self._execute_cell(client, cell, index)
        finally:
            if client.kc is not None:
                client.kc.stop_channels()

    async def _execute_cell(self, client, cell, index):
        started = time.monotonic()
        try:
            await client.async_execute_cell(cell, index)
        finally:
            cell.outputs = merge_streams(cell.outputs)
            self.terminal.end_cell()
        seconds = time.monotonic() - started
        if seconds >= WORTH_SAYING_S:
            self.terminal.line(f"  ({seconds:.1f} s)")

    async def _read_language(self, client):
        info = await client.async_wait_for_reply(client.kc.kernel_info())
        if info:
            self.notebook.metadata.language_info = info["content"]["language_info"]

    def _stop(self, number, cells):
        now = time.monotonic()
        if self.signal is not None:
            if now - self.signal_at > SAME_SIGNAL_S:  # asked again: no more patience
                cells.cancel()
            return
        self.signal, self.signal_at = number, now
        asyncio.ensure_future(self._interrupt(cells))

    async def _interrupt(self, cells):
        if self.kernel.has_kernel:
            await self.kernel.interrupt_kernel()
        await asyncio.wait({cells}, timeout=INTERRUPT_GRACE_S)
        cells.cancel()

    async def _watch_parent(self, cells):
        parent = os.getppid()
        while os.getppid() == parent:
            await asyncio.sleep(PARENT_CHECK_S)
        self._stop(signal.SIGTERM, cells)

    async def _shut_down(self):
        if self.kernel.has_kernel:
            await self.kernel.shutdown_kernel(now=not await self.kernel.is_alive())


def heading_of(cell):
    """The last Markdown heading of a cell, under which the next cell stands, or ''."""
    headings = re.findall(r"^#+\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
    return headings[-1].strip() if headings else ""


def merge_streams(outputs):
    """Neighbouring pieces of one stream become one output; a line rewritten by carriage returns keeps its last state."""
    merged = []
    for output in outputs:
        before = merged[-1] if merged else None
        if before and output.output_type == before.output_type == "stream" and output.name == before.name:
            before.text += output.text
        else:
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = re.sub(r"[^\n]*\r(?!\n|$)", "", output.text)
    return merged


def forget_outputs(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None


def name_of(notebook_file, root, out):
    """The name of both files: that of the notebook, stamped when the run it shows was a rehearsal."""
    replay, run_id = os.environ.get("DAY007_REPLAY"), os.environ.get("DAY007_RUN_ID")
    folder = Path(replay) if replay else root / "data" / "runs" / run_id if run_id else out
    try:
        kind = json.loads((folder / "run.json").read_text(encoding="utf-8"))["engine"]["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = None  # it ended before anything was frozen, or this notebook freezes nothing
    return f"REHEARSAL-{notebook_file.stem}" if kind == "rehearsal" else notebook_file.stem


def save(notebook, out, name):
    """Writes both files; returns the program's complaint about the page, or ''."""
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out / f"{name}.ipynb")
    page = render_page(notebook, name)
    (out / f"{name}.html").write_text(page, encoding="utf-8")
    references = external_references(page)
    return f"{name}.html is not self-contained, it would load {', '.join(references[:5])}" if references else ""


def explain_failure(number, cell, reason):
    """A failed cell for the terminal: which, its source, the error as the kernel gave it."""
    if cell is None:
        return f"The kernel did not start: {reason}"
    source = "\n".join(f"    {line}" for line in cell.source.splitlines())
    if isinstance(reason, dict):
        detail = "\n".join(reason.get("traceback", []))
        if reason["evalue"] not in detail:
            detail = f"{reason['ename']}: {reason['evalue']}"
    elif isinstance(reason, DeadKernelError):
        detail = "The kernel died while this cell ran (killed, or out of memory)."
    else:
        detail = f"{type(reason).__name__}: {reason}"
    return f"Cell {number} failed.\n\n{source}\n\n{detail}"


def show_path(path):
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("notebook", type=Path)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--root", type=Path, default=Path.cwd())
    options = arguments.parse_args()

    notebook = nbformat.read(options.notebook, as_version=4)
    forget_outputs(notebook)
    run = Run(notebook, options.root, Terminal())
    asyncio.run(run.execute())

    # What fills a cell at the top stands at the end here: a terminal is read from below.
    for text in run.client.filled_later.values() if run.client else ():
        run.terminal.line(f"\n{text}")
    name = name_of(options.notebook, options.root, options.out)
    complaint = save(notebook, options.out, name)
    if run.failure:
        print(f"\n{explain_failure(*run.failure)}", file=sys.stderr)
    if run.signal is not None:
        print(f"\nInterrupted in cell {run.current[0]}.", file=sys.stderr)
    if complaint:
        print(f"\n{complaint}", file=sys.stderr)
    print(f"\nRun folder  {show_path(options.out)}")
    print(f"Notebook    {show_path(options.out / name)}.ipynb")
    print(f"Page        {show_path(options.out / name)}.html")
    if run.signal is not None:
        return 128 + run.signal
    return 1 if run.failure or complaint else 0


if __name__ == "__main__":
    sys.exit(main())
