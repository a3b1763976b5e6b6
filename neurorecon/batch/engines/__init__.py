"""Where the stacks are worked on: here, or in worker processes of this machine.

An engine takes tasks from a queue as it has room for them, and hands back what came of each. A cluster needs no engine
of its own: start one batch a node on the same output folder, with or without --shard.
"""

from neurorecon.batch.engines.here import run_here
from neurorecon.batch.engines.processes import run_processes
from neurorecon.batch.engines.queue import Engine, TaskQueue

__all__ = ["Engine", "TaskQueue", "run_here", "run_processes"]
