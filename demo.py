"""What `make demo` shows; `remote-chatbots demo` is the same."""

import sys

from remote_chatbots.cli import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
