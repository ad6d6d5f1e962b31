"""`python -m remote_chatbots.cli` is `remote-chatbots`."""

import sys

from remote_chatbots.cli.command import main

sys.exit(main())
