"""`python -m neurorecon` is `neurorecon`."""

from neurorecon.cli import main

main(prog_name="neurorecon")
