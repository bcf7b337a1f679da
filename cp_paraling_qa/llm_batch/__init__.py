"""OpenAI's Batch API as a second transport: cheaper and in no hurry, in place of one request at a time.

Batches fill the reply cache; whoever asked then runs as usual and finds every reply there. So nothing but the cache joins the two transports, and no row shows which was used.

    fill_cache(config, RUN / "batches", ask, told=print)               # asks in rounds, until nothing is missing
    with CachedOnly(config, RUN / "batches") as client: ask(client)    # every reply is there, or failed for a reason

A reply passes the same rules as a live one. Requests that failed for passing reasons (429, 5xx, expired) go into the next batch, `SENDS` times in all; others are failures with
a reason, kept in the folder: delete the folder to forget them. Ctrl-C or kill leaves batches running at the server, and cancels nothing; the same call picks them up by id.
What batches cost is reckoned by the user's own price table, so a discount for batches must stand in it. `max_cost` holds for a folder, over all its runs.

The API: POST /files (purpose=batch), POST and GET /batches, GET /files/{id}/content; https://developers.openai.com/api/docs/guides/batch.
"""

from cp_paraling_qa.llm_batch.cached import PENDING, SENDS, CachedOnly
from cp_paraling_qa.llm_batch.files import BatchLimits
from cp_paraling_qa.llm_batch.results import BatchResult
from cp_paraling_qa.llm_batch.run import fill_cache, run_batches

__all__ = ["PENDING", "SENDS", "BatchLimits", "BatchResult", "CachedOnly", "fill_cache", "run_batches"]
