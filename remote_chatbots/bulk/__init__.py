"""Long work with one bot: many questions, of which none is posted twice; all conversations in a file.

Nothing of it is imported with `remote_chatbots`. `ask_all` blocks, `aask_all` is for `async for`;
`export_conversations` blocks, `aexport_conversations` is to be awaited.
"""

from remote_chatbots.bulk.asking import aask_all, ask_all
from remote_chatbots.bulk.exporting import Exported, aexport_conversations, export_conversations
from remote_chatbots.bulk.outcome import Outcome, Status, write_rows
from remote_chatbots.bulk.progress import Progress
from remote_chatbots.bulk.run import BulkRun

__all__ = [
    "BulkRun",
    "Exported",
    "Outcome",
    "Progress",
    "Status",
    "aask_all",
    "aexport_conversations",
    "ask_all",
    "export_conversations",
    "write_rows",
]
