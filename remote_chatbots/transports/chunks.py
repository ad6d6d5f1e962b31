"""HTTP's chunks, many at a time. `http.client` takes them apart one by one, at the price of parsing an event each."""

from __future__ import annotations


def whole_chunks(buffered: bytes) -> tuple[bytes, int]:
    """Return the data of the chunks that lie whole at the beginning of `buffered`, and where the last of them ends.

    What is not plainly a chunk of data (the last one of a body, one with extensions, one that is broken) is left for
    `http.client` to judge.

    Args:
        buffered: What follows the data of a chunk: the line end behind it, the next one's size, and so on.
    """
    data = []
    end = 0
    while buffered.startswith(b"\r\n", end) and (begin := buffered.find(b"\r\n", end + 2) + 2) > 1:
        try:
            size = int(buffered[end + 2 : begin - 2], 16)
        except ValueError:
            break
        if size <= 0 or begin + size > len(buffered):
            break
        end = begin + size
        data.append(buffered[begin:end])
    return b"".join(data), end
