"""Output names that were given for good, while stacks came in one after another: OUTDIR/.neurorecon/names.jsonl.

One line an input, appended by whoever holds the lease on the list, so that processes that saw different stacks agree. A
line that was cut off by a crash counts for nothing.
"""

import json
import os
from collections.abc import Iterable, Mapping

from neurorecon.batch.items import Item, Taken, plan
from neurorecon.batch.state.ledger import Ledger

__all__ = ["Names"]


class Names:
    """The list of names in a ledger, as far as it was read; only the holder of its lease may add to it."""

    def __init__(self, ledger: Ledger) -> None:
        self.path = ledger.root / "names.jsonl"
        self.taken = Taken()
        self._read = 0  # bytes

    @property
    def exists(self) -> bool:
        """Whether the folder was ever watched."""
        return self.path.exists()

    def load(self) -> Taken:
        """Read what was added since the last time, and return all names."""
        try:
            with open(self.path, "rb") as handle:
                handle.seek(self._read)
                new = handle.read()
        except (FileNotFoundError, NotADirectoryError):
            return self.taken
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                name, output = str(entry["input"]), str(entry["output"])
            except (ValueError, TypeError, KeyError):
                continue
            self.taken.outputs.setdefault(name, output)
            self.taken.add(name, self.taken.outputs[name])
        return self.taken

    def give(self, names: Iterable[str]) -> list[Item]:
        """Return an item for each input; new ones get a name that meets no other, for good."""
        items = plan(dict.fromkeys(names), self.load())
        self.keep({item.input: item.output for item in items})
        return items

    def keep(self, outputs: Mapping[str, str]) -> None:
        """Write names down, and on the disk."""
        self.load()
        lines = [
            json.dumps({"input": name, "output": output})
            for name, output in outputs.items()
            if name not in self.taken.outputs
        ]
        if not lines:
            return
        with open(self.path, "ab") as handle:
            size = os.fstat(handle.fileno()).st_size
            cut = b"\n" if size > self._read else b""  # a process died in the middle of a line
            handle.write(cut + "".join(f"{line}\n" for line in lines).encode("ascii"))
            handle.flush()
            os.fsync(handle.fileno())
        self.load()
