"""What the command line does; each command is a function that returns an exit status."""
