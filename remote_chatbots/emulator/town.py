"""The built-in knowledge base: visitor information of Saltmouth, a harbour town that does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DATASET_NAME = "saltmouth-visitors"

_HARBOUR = """\
The harbour of Saltmouth is open to visiting boats from April to October. Report to the harbour master on \
channel 12 before you enter.

The harbour office is open daily from 8:00 to 18:00. Outside these hours a night watchman answers the bell \
at the east quay.

A berth for one night costs 22 euros for boats up to ten metres and 35 euros for longer ones. Water and \
electricity are included."""

_FERRY = """\
The ferry to Gull Island leaves from pier 3 every hour between 9:00 and 17:00. The crossing takes 25 minutes.

The last ferry back from Gull Island departs at 18:30. In strong wind the captain may cancel the crossing at \
short notice.

Bicycles travel free of charge on the ferry. Dogs must be kept on a lead and stay on the lower deck."""

_MUSEUM = """\
The maritime museum is open from Tuesday to Sunday, 10:00 to 17:00. It is closed on Mondays and on the first \
of January.

Guided tours of the museum start at 11:00 and 14:00 in the hall of anchors. They last an hour and are given \
in English and Chinese.

The oldest exhibit is a pilot's compass of 1742. It was found in a fishing net off Gull Island."""

_TICKETS = """\
A museum ticket costs 9 euros for adults and 4 euros for students. Children under twelve enter free.

The harbour pass costs 24 euros. It covers the museum, the lighthouse and one return ferry crossing, and is \
valid for three days.

Tickets are sold at the quay kiosk and at every counter. Cards and cash are accepted, cheques are not."""

_REFUNDS = """\
Unused tickets are refunded in full within fourteen days of purchase. Bring the ticket and the receipt to \
the quay kiosk.

When a ferry crossing is cancelled because of weather, the refund is paid at once, or the ticket stays valid \
for another day.

A harbour pass that has been stamped once cannot be refunded."""

_LIGHTHOUSE = """\
The lighthouse stands at the end of the north mole. Its lantern still burns and can be seen for \
eighteen miles.

Visitors may climb the 198 steps of the lighthouse from 10:00 until one hour before sunset. Children need \
the company of an adult.

The tower closes without warning during thunderstorms."""

_GUIDE_ZH = """\
海事博物馆每周二至周日开放，时间为上午十点到下午五点，周一闭馆。

前往海鸥岛的渡轮每小时一班，从三号码头出发，航程二十五分钟。

成人门票九欧元，学生四欧元，十二岁以下儿童免费。未使用的门票可在十四天内全额退款。"""

DOCUMENTS: Mapping[str, str] = MappingProxyType(
    {
        "harbour.md": _HARBOUR,
        "ferry.md": _FERRY,
        "museum.md": _MUSEUM,
        "tickets.md": _TICKETS,
        "refunds.md": _REFUNDS,
        "lighthouse.md": _LIGHTHOUSE,
        "游客指南.md": _GUIDE_ZH,
    }
)

METADATA: Mapping[str, Mapping[str, str | int]] = MappingProxyType(
    {
        "harbour.md": {"lang": "en", "topic": "harbour", "year": 2024},
        "ferry.md": {"lang": "en", "topic": "ferry", "year": 2025},
        "museum.md": {"lang": "en", "topic": "museum", "year": 2023},
        "tickets.md": {"lang": "en", "topic": "tickets", "year": 2025},
        "refunds.md": {"lang": "en", "topic": "tickets", "year": 2024},
        "游客指南.md": {"lang": "zh", "topic": "museum", "year": 2025},
    }
)

# GPTBots puts documents into several knowledge bases.
BASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Around the harbour": ("harbour.md", "ferry.md", "lighthouse.md", "游客指南.md"),
        "Museum and tickets": ("museum.md", "tickets.md", "refunds.md"),
    }
)
