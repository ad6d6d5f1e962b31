"""Read by mypy and never run: what the two ways to ask many questions take and give.

A line that must be refused says so by its `type: ignore`; where it were accepted, mypy would call the comment unused.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

from remote_chatbots import BotClient, DifyApp, Question
from remote_chatbots.bulk import BulkRun, Outcome, aask_all, ask_all

app = DifyApp("app-x", "https://dify.example")
rows = [{"id": 1, "question": "Hello"}]

assert_type(ask_all(app, ["Hello"]), Iterator[Outcome])
assert_type(aask_all(app, ["Hello"]), BulkRun)
ask_all(BotClient(app), rows, user="anna", concurrency=20, per_second=2.5, journal=Path("asked.jsonl"), progress=True)
ask_all(app, [Question("Hello")], journal="asked.jsonl", max_retries=0, repeat_unknown=True, give_up_on=(), dask=None)

ask_all(app, ["Hello"], concurency=20)  # type: ignore[call-arg]
ask_all(app, ["Hello"], concurrency="20")  # type: ignore[arg-type]
ask_all(app, ["Hello"], journal=3)  # type: ignore[arg-type]
ask_all(app)  # type: ignore[call-arg]
aask_all(app, ["Hello"], concurency=20)  # type: ignore[call-arg]
