"""How the asking stands: kept, dropped by reason, failed, how fast, and what it costs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.llm import ClientStats


@dataclass
class Tally:
    """Counts since the beginning.

    Args:
        total: clips of the run; 0 where nobody knows.

    Attributes:
        clips: done.
        reused: rows taken over from another dataset.
    """

    total: int = 0
    clips: int = 0
    kept: int = 0
    reused: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    _began: float = field(default_factory=time.monotonic)
    _answered: int = 0
    _batch: int = 0
    _requests: int = 0
    _at: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """A row came."""
        if row["dropped"] is None:
            self.kept += 1
        else:
            self.dropped[row["dropped"]] += 1

    def expect(self, clips: int, requests: int) -> None:
        """A batch of clips begins with so many requests: what the share that is done is reckoned by."""
        if requests:
            self._batch, self._requests, self._at = clips, requests, 0

    def answered(self) -> None:
        """A request was answered, or has failed for good."""
        self._at += 1

    def line(self, stats: ClientStats | None) -> str:
        """One line for the screen.

        Args:
            stats: of the client: requests, tokens, cost.
        """
        dropped, faults = Counter(self.dropped), Counter(self.faults)  # copies: faults are told from the client's thread while rows are counted here
        lost = sum(dropped.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.most_common(3))
        parts = [f"{self.kept} kept, {lost} dropped{f' ({reasons})' if reasons else ''}"]
        parts += [f"{sum(self.failed.values())} failed"] if self.failed else []
        parts += [", ".join(f"× {reason} {count}, tried again" for reason, count in faults.most_common(2))] if faults else []
        if stats is not None:
            seconds = max(time.monotonic() - self._began, 1e-9)
            parts.append(f"{stats.requests / seconds:.1f} requests/s, {stats.cached} from the cache")
            parts.append(f"{stats.prompt_tokens + stats.completion_tokens:,} tokens")
            if stats.cost:
                parts.append(f"${stats.cost:.4f}{self._expected(stats.cost)}")
            if stats.uncertain_cost:
                parts.append(f"at most ${stats.uncertain_cost:.4f} more for requests whose tokens nobody told")
            if stats.without_usage:
                parts.append(f"{stats.without_usage} replies without a count of tokens")
        return "; ".join(parts)

    def _expected(self, cost: float) -> str:
        """What the run will have cost, as far as it goes: by the clips that are done and the share of those in the making."""
        done = self.clips + self._batch * min(1.0, self._at / self._requests if self._requests else 0.0)
        return f" of about ${cost * self.total / done:.4f}" if self.total and done else ""
