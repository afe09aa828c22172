"""What `explore` does at the terminal, a command to a module."""
