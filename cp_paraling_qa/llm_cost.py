"""What a run spends: every billed token is counted, and nothing is sent that could pass the limit."""

from __future__ import annotations

import asyncio

from cp_paraling_qa.llm_types import ClientStats, LLMConfig

BYTES_PER_TOKEN_LEAST = 3
"""Few tokenizers make more than one token of three bytes over a whole request; English has about four bytes a token."""

TOKENS_AROUND = 8
"""What a chat template puts around a short request."""


class CostReached(Exception):
    """Nothing more may be sent."""


def most_cost(config: LLMConfig, body: bytes) -> float:
    """USD that a request can cost at the most; 0 without prices.

    Args:
        config: names the prices and the longest reply.
        body: as it is sent: the schema in it is billed by some endpoints as well.
    """
    return config.prices.of(len(body) / BYTES_PER_TOKEN_LEAST + TOKENS_AROUND, config.max_tokens) if config.prices else 0.0


class Purse:
    """Money for requests: reserved before one is sent, settled by what the server says it took. Belongs to one event loop.

    Args:
        config: names the prices and the limit.
        stats: where the tokens and the cost are counted.
    """

    def __init__(self, config: LLMConfig, stats: ClientStats) -> None:
        self.config, self.stats = config, stats
        self.reserved = 0.0
        self.under_way = 0
        self._empty = False
        self._settled = asyncio.Event()

    async def reserve(self, most: float) -> None:
        """Put aside what a request can cost; waits while requests under way may still turn out cheaper than feared.

        Args:
            most: USD.

        Raises:
            CostReached: it might pass the limit; nothing is sent from now on, so that a run ends at one place and not row by row.
        """
        limit = self.config.max_cost
        while limit is not None and (self._empty or self.stats.cost + self.stats.uncertain_cost + self.reserved + most > limit):
            if self._empty or not self.under_way:
                self._empty = True
                raise CostReached
            self._settled.clear()
            await self._settled.wait()
        self.reserved += most
        self.under_way += 1

    def settle(self, most: float, tokens: tuple[int, int] | None, *, uncertain: bool) -> None:
        """Count what a request took.

        Args:
            most: what was reserved, USD.
            tokens: read and written, as the server counted them; None where it did not.
            uncertain: without tokens: whether the server may have billed it all the same.
        """
        self.reserved -= most
        self.under_way -= 1
        if not self.under_way:
            self.reserved = 0.0  # no rounding left over from a million additions
        if tokens is not None:
            self.stats.prompt_tokens += tokens[0]
            self.stats.completion_tokens += tokens[1]
            if self.config.prices is not None:
                self.stats.cost = self.config.prices.of(self.stats.prompt_tokens, self.stats.completion_tokens)
        elif uncertain:
            self.stats.uncertain_cost += most
        self._settled.set()
