"""Many questions to one bot: bounded, paced, journaled; none is posted twice.

Nothing of it is imported with `remote_chatbots`. `ask_all` blocks, `aask_all` is for `async for`.
"""

from remote_chatbots.bulk.asking import aask_all, ask_all
from remote_chatbots.bulk.outcome import Outcome, Status, write_rows
from remote_chatbots.bulk.progress import Progress
from remote_chatbots.bulk.run import BulkRun

__all__ = ["BulkRun", "Outcome", "Progress", "Status", "aask_all", "ask_all", "write_rows"]
