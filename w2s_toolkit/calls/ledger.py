"""What hosted models cost: reserved before a call, settled after it, never forgotten.

The ledger is a file of JSON lines that is only ever appended to, under a lock, so that stages side by
side and runs one after another share it, and a killed process loses nothing. A reservation that was
neither settled nor released stands: whether its call was paid for is not known (a timeout, a broken
connection, an answer without usage, a killed process), so it counts against the budget and is listed
apart from what was settled.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from w2s_toolkit.errors import StoreError

SYNC_EVERY = 1.0
"""Seconds between two times that the file is forced to the disk. A killed process loses nothing anyway."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps; None: without one. Tokens are those read and written together."""

    usd: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Settled calls and their usage; ``unpriced`` of them had no known price."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spent) -> Spent:
        names = ("calls", "prompt_tokens", "completion_tokens", "usd", "unpriced")
        return Spent(*(getattr(self, n) + getattr(other, n) for n in names))


@dataclass(frozen=True, slots=True)
class Standing:
    """Reservations without an end, and what they would cost at most, as it was estimated."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Standing) -> Standing:
        return Standing(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)


@dataclass(frozen=True, slots=True)
class Place:
    """Who pays: the run, the stage and the model (``id@endpoint``)."""

    run: str
    stage: str
    model: str


@dataclass
class _Book:
    """What the lines read so far add up to."""

    settled: dict[Place, Spent] = field(default_factory=dict)
    open: dict[str, tuple[Place, int, float]] = field(default_factory=dict)
    tokens: int = 0
    usd: float = 0.0

    def read(self, line: Mapping[str, Any]) -> None:
        """Take in one line; lines of unknown kinds say nothing."""
        kind, name = line.get("op"), str(line.get("id"))
        if kind == "reserve":
            place = Place(str(line["run"]), str(line["stage"]), str(line["model"]))
            self._hold(place, name, int(line["tokens"]), float(line["usd"] or 0.0))
        elif kind in ("release", "settle") and name in self.open:
            place, tokens, usd = self.open.pop(name)
            self.tokens -= tokens
            self.usd -= usd
            if kind == "settle":
                self._settle(place, line)

    def _hold(self, place: Place, name: str, tokens: int, usd: float) -> None:
        self.open[name] = (place, tokens, usd)
        self.tokens += tokens
        self.usd += usd

    def _settle(self, place: Place, line: Mapping[str, Any]) -> None:
        usd = line["usd"]
        one = Spent(
            1,
            int(line["prompt_tokens"]),
            int(line["completion_tokens"]),
            float(usd or 0.0),
            int(usd is None),
        )
        self.settled[place] = self.settled.get(place, Spent()) + one
        self.tokens += one.tokens
        self.usd += one.usd


class Ledger:
    """The ledger of one recipe in one store.

    Args:
        path: the file; None counts in this process alone.
        budget: caps on what is settled and reserved together.
    """

    def __init__(self, path: Path | None = None, budget: Budget | None = None) -> None:
        self.path = path
        self.budget = budget or Budget()
        self._book = _Book()
        self._offset = 0
        self._synced = 0.0
        self._mine: set[str] = set()
        self._lock: FileLock | None = None
        self._handle: int | None = None

    def reserve(self, place: Place, *, tokens: int, usd: float | None) -> str | None:
        """Put aside what a call may cost; None if the budget does not hold it.

        Args:
            tokens: at most read and written, as far as known.
            usd: the same in money; None where the price is not known.

        Raises:
            StoreError: the ledger cannot be written: then nothing may be asked.
        """
        with self._exclusive():
            if self._too_much(tokens, usd or 0.0):
                return None
            name = uuid.uuid4().hex
            who = {"run": place.run, "stage": place.stage, "model": place.model}
            what = {"tokens": tokens, "usd": usd, "time": round(time.time(), 3)}
            self._append({"op": "reserve", "id": name, **who, **what})
            self._mine.add(name)
        return name

    def settle(
        self, name: str, *, prompt_tokens: int, completion_tokens: int, usd: float | None
    ) -> None:
        """Replace a reservation by what the call did cost."""
        used = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "usd": usd}
        with self._exclusive():
            self._append({"op": "settle", "id": name, **used})
            self._mine.discard(name)
            self._sync()

    def release(self, name: str) -> None:
        """Give a reservation back: the server refused the call, so it cost nothing."""
        with self._exclusive():
            self._append({"op": "release", "id": name})
            self._mine.discard(name)

    def leave_standing(self, name: str) -> None:
        """Let a reservation stand: nobody here can tell whether its call was paid for."""
        self._mine.discard(name)

    @property
    def waiting_for(self) -> int:
        """Reservations of this process whose calls are still under way."""
        return len(self._mine)

    def spent(self, *, run: str | None = None) -> dict[Place, Spent]:
        """What was settled, by run, stage and model; of one run, or of all."""
        self._refresh()
        return {p: s for p, s in self._book.settled.items() if run in (None, p.run)}

    def standing(self, *, run: str | None = None) -> dict[Place, Standing]:
        """What stands, by run, stage and model. Calls under way stand too."""
        self._refresh()
        found: dict[Place, Standing] = {}
        for place, tokens, usd in self._book.open.values():
            if run in (None, place.run):
                found[place] = found.get(place, Standing()) + Standing(1, tokens, usd)
        return found

    def total(self) -> Spent:
        """What was settled in all."""
        return sum(self.spent().values(), Spent())

    def close(self) -> None:
        """Force what was written to the disk and let the file go."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._handle)
            os.close(self._handle)
            self._handle = None

    # --- the file ------------------------------------------------------------------------------

    def _too_much(self, tokens: int, usd: float) -> bool:
        caps, book = self.budget, self._book
        over_tokens = caps.tokens is not None and book.tokens + tokens > caps.tokens
        return over_tokens or (caps.usd is not None and book.usd + usd > caps.usd + 1e-9)

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Alone with the file, and up to date with what others wrote."""
        if self.path is None:
            yield
            return
        try:
            if self._lock is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = FileLock(self.path.with_suffix(".lock"), thread_local=False)
            with self._lock:
                self._read_on()
                yield
        except OSError as error:
            raise StoreError(
                f"the ledger cannot be written: {error.strerror or error}",
                where=str(self.path),
                next_step="free some space, or choose another folder with --store, and run again",
            ) from None

    def _refresh(self) -> None:
        if self.path is not None and self.path.exists():
            with self._exclusive():
                pass

    def _append(self, line: Mapping[str, Any]) -> None:
        if self.path is None:
            self._book.read(line)
            return
        if self._handle is None:
            self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        size = os.fstat(self._handle).st_size
        # A line that a full disk cut off must not swallow the one after it.
        torn = size > 0 and os.pread(self._handle, 1, size - 1) != b"\n"
        data = (b"\n" if torn else b"") + json.dumps(line).encode() + b"\n"
        if os.write(self._handle, data) != len(data):
            raise OSError(28, "no space left on the device", str(self.path))
        self._read_on()

    def _read_on(self) -> None:
        """Take in the whole lines that were added since."""
        assert self.path is not None
        if self._handle is None:
            if not self.path.exists():
                return
            self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        size = os.fstat(self._handle).st_size
        if size <= self._offset:
            return
        data = os.pread(self._handle, size - self._offset, self._offset)
        end = data.rfind(b"\n") + 1
        self._offset += end
        for line in data[:end].splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                self._book.read(json.loads(line))

    def _sync(self) -> None:
        if self._handle is not None and time.monotonic() - self._synced > SYNC_EVERY:
            os.fsync(self._handle)
            self._synced = time.monotonic()
