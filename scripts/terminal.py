"""What a headless run shows while it runs: text as it comes, progress that rewrites itself, cells as they begin and end."""

import re
import shutil
import sys
import time

# How often a progress line is printed where it cannot be rewritten (a log file, CI).
PROGRESS_EVERY_S = 2.0
# A cell that took less needs no line of its own.
WORTH_SAYING_S = 1.0


class Terminal:
    """Writes to one stream. `progress` lines replace each other on a terminal and are thinned out elsewhere."""

    def __init__(self, stream=sys.stdout, now=time.monotonic):
        self.stream = stream
        self.now = now
        self.rewrites = stream.isatty()
        self.pending = ""  # text of a line that has no newline yet
        self.progress_shown = ""
        self.progress_latest = ""
        self.progress_at = -PROGRESS_EVERY_S
        self.rewrites_line = False  # the progress line belongs to text whose line is still being written

    def line(self, text):
        self.end_progress()
        self._end_line()
        self._write(text + "\n")

    def text(self, text):
        """Text of a cell. A carriage return starts the line anew: such a line is progress."""
        for part in re.findall(r"[^\r\n]*(?:\r\n|\n|\r|$)", text):
            if not part:
                continue
            body = part.rstrip("\r\n")
            self.pending += body
            if part.endswith("\n"):
                self._finish(self.pending)
                self.pending = ""
            elif part.endswith("\r"):
                self._progress_of_line()
                self.pending = ""
        if self.rewrites:
            self._progress_of_line()

    def _progress_of_line(self):
        if self.pending:
            self.progress(self.pending)
            self.rewrites_line = True

    def progress(self, text):
        """The newest state of something under way, in one line: of a text with a table, what stands before it."""
        self.rewrites_line = False
        self.progress_latest = " · ".join(line.strip() for line in text.split("\n|", 1)[0].splitlines() if line.strip())
        if self.rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._write("\r\x1b[K" + self.progress_latest[:width])
            self.progress_shown = self.progress_latest
        elif self.now() - self.progress_at >= PROGRESS_EVERY_S:
            self._show_progress_line()

    def end_progress(self):
        """Leaves the last state of a progress line standing."""
        if self.rewrites:
            if self.progress_shown:
                self._write("\n")
        elif self.progress_latest != self.progress_shown:
            self._show_progress_line()
        self.progress_shown = self.progress_latest = ""

    def end_cell(self):
        self._end_line()
        self.end_progress()

    def _finish(self, line):
        if self.rewrites_line:  # what was shown of it gives way to the whole line
            if self.rewrites:
                self._write("\r\x1b[K")
            self.progress_shown = self.progress_latest = ""
            self.rewrites_line = False
        self.end_progress()
        self._write(line + "\n")

    def _end_line(self):
        if self.pending:
            line, self.pending = self.pending, ""
            self._finish(line)

    def _show_progress_line(self):
        if self.progress_latest == self.progress_shown:
            return
        self._write(self.progress_latest + "\n")
        self.progress_shown = self.progress_latest
        self.progress_at = self.now()

    def _write(self, text):
        self.stream.write(text)
        self.stream.flush()
