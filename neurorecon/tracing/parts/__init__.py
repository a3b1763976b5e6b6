"""A volume larger than the memory: parts traced by themselves, joined, and finished as one."""
