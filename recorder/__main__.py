"""`python -m recorder` is the same as the `recorder` command."""

from recorder.cli import main

main(prog_name="recorder")
